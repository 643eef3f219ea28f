import ArgumentParser
import Domain
import Engine
import Platform
import Vaulting

/// `vault check`
struct VaultCheckVerb: Verb {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Look for damage in the vault.",
        discussion: """
            Level list looks whether everything is there, seal reads every byte and checks its \
            seal, decode also puts every page of every point together and compares it with its \
            fingerprint and PostgreSQL's checksum. Exits 6 when anything is wrong, naming the \
            recovery points and the WAL affected.

            The results are kept in the vault. --since and --budget make a check that goes round \
            in turns: what was never looked at comes first, then what was not for the longest \
            time. The next backup stores pages of damaged packs anew.

              pgkeep vault check
              pgkeep vault check --level decode --instance main
              pgkeep vault check --level decode --since 30d --budget 2h
            """
    )

    /// How closely to look.
    enum Level: String, CaseIterable, ExpressibleByArgument {
        case list
        case seal
        case decode

        var checkLevel: VaultCheck.Level {
            switch self {
            case .list: .list
            case .seal: .seal
            case .decode: .decode
            }
        }
    }

    @Option(help: ArgumentHelp("How closely to look: list, seal or decode.", valueName: "level"))
    var level = Level.seal

    @Option(
        name: .customLong("instance"),
        help: ArgumentHelp("Only what belongs to this instance.", valueName: "name")
    )
    var instanceName: String?

    @Option(
        help: ArgumentHelp(
            "Leave out what a check looked at since then: a duration back, or a time.",
            valueName: "duration|time"
        )
    )
    var since: String?

    @Option(
        help: ArgumentHelp(
            "Begin nothing more after so many bytes or so long: 20GiB, 30min.",
            valueName: "bytes|duration"
        )
    )
    var budget: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> CheckReport {
        let name = try instanceName.map { try InstanceName(checking: $0) }
        var options = CheckOptions(level: level.checkLevel)
        try take(&options, now: session.clock.now)
        let trigger = try session.trigger(else: "manual")
        let context = try session.context()
        options.instance = try name.map { try Instances.find(context, $0) }
        return try Job.run(context, kind: .check, instance: name, trigger: trigger) { job in
            let report = try CheckJob(context: job.context, options: options).run()
            if let error = report.error { job.warn(error.message) }
            return report
        }
    }

    private func take(_ options: inout CheckOptions, now: Timestamp) throws {
        guard level != .list || (since == nil && budget == nil) else {
            throw PgkeepError(
                .usage,
                "--level list looks at everything in one go",
                hint: "leave out --since and --budget, or choose level seal or decode"
            )
        }
        options.since = try since.map {
            try Amount.moment($0, now: now, option: "--since")
        }
        switch try budget.map(amount) {
        case .bytes(let bytes): options.budgetBytes = bytes
        case .duration(let seconds): options.budgetSeconds = seconds
        case nil: break
        }
    }

    private func amount(_ text: String) throws -> Amount {
        guard let amount = Amount(text) else {
            throw PgkeepError(
                .usage,
                "--budget \(text) is neither a size nor a duration",
                hint: "write it like 20GiB, 500MB, 2h or 30min"
            )
        }
        return amount
    }

    func failure(_ answer: CheckReport) -> PgkeepError? { answer.error }

    func lines(_ answer: CheckReport) -> [String] {
        var lines: [String] = []
        for damage in answer.damage {
            let named = damage.reason.hasPrefix(damage.object)
            lines.append(named ? damage.reason : "\(damage.object): \(damage.reason)")
            if let instance = damage.instance { lines.append("  instance \(instance)") }
            lines += damage.points.map { "  recovery point \($0)" }
            if let from = damage.fromLSN, let end = damage.toLSN {
                lines.append("  WAL from \(from) to \(end)")
            }
        }
        lines += answer.gaps.map {
            "instance \($0.instance): WAL from \($0.fromLSN) to \($0.toLSN) is missing"
                + " (\($0.cause.rawValue))"
        }
        let looked =
            "\(Wording.count(answer.objects, "object")), \(Wording.bytes(answer.bytes)) read"
        if answer.leftOut > 0 { lines.append("Looked at before: \(answer.leftOut).") }
        if answer.due > 0 { lines.append("Left for the next check: \(answer.due).") }
        if answer.ok {
            let what = answer.leftOut + answer.due > 0 ? "All looked at" : "The vault"
            lines.append("\(what) is sound: \(looked).")
        }
        return lines
    }
}
