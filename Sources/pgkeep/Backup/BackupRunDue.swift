import ArgumentParser
import Domain
import Engine

/// `backup run-due`
struct BackupRunDue: Verb {
    static let configuration = CommandConfiguration(
        commandName: "run-due",
        abstract: "Take the backups that are due.",
        discussion: """
            For cron or a timer, every few minutes and on as many hosts as you like: each slot of \
            a policy is served once, a missed one is made up once, and a call with nothing to do \
            says nothing and exits 0. A failed backup is tried again after 1, 2, 4 … minutes, at \
            most hourly, until the next slot.

            A backup that is due is skipped, which is no failure, while the server is stopped \
            (server-stopped), while another backup of it runs (busy), outside the policy's hours \
            (outside-hours), while the server is busier than --max-load, --max-lag or the policy \
            allow (source-busy), and when nothing has changed since the last point and the vault \
            has all WAL (no-change). See why with --json or job list. When WAL was lost, the first \
            backup behind the gap is due at once, at any hour and load (trigger anchor).

              */5 * * * *  pgkeep backup run-due
              pgkeep backup run-due main --json
            """
    )

    @Argument(help: ArgumentHelp("The instances (default: all).", valueName: "name"))
    var names: [String] = []

    @Option(
        help: ArgumentHelp(
            "Begin up to this long behind a schedule, each instance at its own moment.",
            valueName: "duration"
        )
    )
    var jitter: String?

    @Flag(help: "Take a backup although nothing has changed since the last one.")
    var evenIfUnchanged = false

    @Option(help: ArgumentHelp("Limit the server's sending, in kB/s.", valueName: "number"))
    var maxRate: Int?

    @Option(
        help: ArgumentHelp(
            "Begin no scheduled backup with more sessions than this at work on the server.",
            valueName: "number"
        )
    )
    var maxLoad: Int?

    @Option(
        help: ArgumentHelp(
            "Begin none while a standby is further behind in replaying.",
            valueName: "duration"
        )
    )
    var maxLag: String?

    @Option(help: ArgumentHelp("Threads that compress and seal.", valueName: "number"))
    var workers = BackupOptions.workersDefault

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        var instances: [DueEntry]
    }

    func answer(_ session: Session) throws -> Answer {
        try Limits.check(workers, "--workers", 1...BackupOptions.workersMax)
        // The protocol's own limits of MAX_RATE.
        if let maxRate { try Limits.check(maxRate, "--max-rate", 32...1_048_576) }
        let names = try names.map { try InstanceName(checking: $0) }
        var options = DueOptions()
        options.jitterSeconds = try jitterSeconds()
        options.evenIfUnchanged = evenIfUnchanged
        if let maxLoad { try Limits.check(maxLoad, "--max-load", 1...100_000) }
        options.maxLoad = maxLoad
        options.maxLagSeconds = try maxLag.map { try Limits.seconds($0, "--max-lag") }
        options.backup = BackupOptions(trigger: .scheduled, maxRate: maxRate, workers: workers)
        let context = try session.context()
        return Answer(instances: try DueBackups(context: context, options: options).run(names))
    }

    private func jitterSeconds() throws -> Int {
        guard let jitter, jitter != "0" else { return 0 }
        guard case .duration(let seconds) = Amount(jitter),
            seconds <= Double(DueOptions.jitterSecondsMax)
        else {
            throw PgkeepError(
                .usage,
                "--jitter \(jitter) is no duration of up to"
                    + " \(DueOptions.jitterSecondsMax / 3600) hours",
                hint: "write it like 90s, 10min or 1h"
            )
        }
        return Int(seconds)
    }

    func failure(_ answer: Answer) -> PgkeepError? {
        guard let failed = answer.instances.first(where: { $0.outcome == .failed }),
            let error = failed.error
        else { return nil }
        return PgkeepError(
            error.code,
            "the backup of \(failed.instance) failed",
            hint: error.hint,
            cause: error
        )
    }

    func lines(_ answer: Answer) -> [String] {
        answer.instances.filter { $0.isNews || global.verbose }.map(Self.line)
    }

    private static func line(_ entry: DueEntry) -> String {
        let next = entry.nextAt.map { " at \(Wording.time($0))" } ?? ""
        let what =
            switch entry.outcome {
            case .completed: entry.point.map(PointText.made) ?? "done."
            case .failed where next.isEmpty: "failed: \(entry.error?.message ?? "see job list")."
            case .failed: "failed; tried again\(next)."
            case .skipped: reason(entry.skipReason ?? "")
            case .cancelled: "cancelled."
            case .busy: "another process is at it."
            case .waiting: "failed before; tried again\(next)."
            case .notDue: "not due\(next.isEmpty ? "" : " before\(next.dropFirst(3))")."
            case .stopped: "protection is stopped."
            }
        let warnings = entry.warnings.map { "\n  \($0)" }.joined()
        return "\(entry.instance): \(what)\(warnings)"
    }

    private static func reason(_ reason: String) -> String {
        switch reason {
        case "server-stopped": "skipped: the server is stopped; taken as soon as it runs."
        case "no-change": "skipped: nothing has changed since the last recovery point."
        case "busy": "skipped: another backup runs; taken after it."
        case "source-busy": "skipped: the server has too much to do; taken when it is calmer."
        case "outside-hours": "skipped: not at this hour; taken when the policy allows it."
        default: "skipped: \(reason)."
        }
    }
}
