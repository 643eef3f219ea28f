import ArgumentParser
import Domain
import Engine
import Platform

/// `doctor`
struct DoctorVerb: Verb {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check everything protection depends on, and say how to mend it.",
        discussion: """
            The vault: keys, writing, space and days left, quotas. Each server: login, rights, \
            settings, slot, clock, archiving, the stream; where an instance has several, one that \
            is sound will do, and what is wrong with another is a warning. This host: the programs \
            a restore needs. \
            The exit code is the number of failures (at most 50); warnings do not count.

              pgkeep doctor
              pgkeep doctor --instance main --json
            """
    )

    @Option(
        name: .customLong("instance"),
        help: ArgumentHelp("Only this instance, and the vault.", valueName: "name")
    )
    var instanceName: String?

    @Option(
        help: ArgumentHelp("The directory of PostgreSQL's programs on this host.", valueName: "dir")
    )
    var pgBin: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    private static let failuresMax = 50

    func answer(_ session: Session) throws -> DoctorReport {
        let name = try instanceName.map { try InstanceName(checking: $0) }
        let context: JobContext
        do {
            context = try session.context()
        } catch let error as PgkeepError where error.code != .usage {
            // What keeps the vault closed is the first thing to mend.
            return Self.closed(error)
        }
        let given = pgBin.map(FileSystem.absolute)
        let doctor = Doctor(context, version: Version.text) { major in
            try PostgresPrograms.directory(
                major: major,
                given: given,
                path: Environment.value("PATH"),
                version: CopyStart.major
            )
        }
        return try doctor.examine(name.map { try Instances.find(context, $0) })
    }

    private static func closed(_ error: PgkeepError) -> DoctorReport {
        var report = DoctorReport()
        report.findings = [
            DoctorReport.Finding(
                subject: "vault",
                check: "open",
                outcome: .failure,
                what: error.description,
                fix: error.hint
            )
        ]
        return report
    }

    func exitStatus(_ answer: DoctorReport) -> Int32 {
        Int32(min(answer.failures, Self.failuresMax))
    }

    func lines(_ answer: DoctorReport) -> [String] {
        var lines: [String] = []
        var subject = ""
        for finding in answer.findings {
            if finding.subject != subject {
                subject = finding.subject
                lines.append("\(subject):")
            }
            let outcome = finding.outcome.rawValue
            let gap = String(repeating: " ", count: 9 - outcome.count)
            lines.append("  \(outcome)\(gap)\(finding.what)")
            if !finding.fix.isEmpty { lines.append("           → \(finding.fix)") }
        }
        lines.append(
            "\(Wording.count(answer.failures, "failure")), "
                + "\(Wording.count(answer.warnings, "warning"))."
        )
        return lines
    }
}
