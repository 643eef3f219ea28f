import ArgumentParser
import Domain
import Engine

/// `backup create`
struct BackupCreate: Verb {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Take a base backup now.",
        discussion: """
            The server stays in full use. The backup brings the WAL it needs along, so it can be \
            restored even when no stream runs. Interrupted, it leaves nothing that counts, and the \
            next one need not store again what this one has.

            Pages that are as in the newest point are not stored again, except a few from packs of \
            which little is still in use, so that those can be deleted one day: see \
            --evacuate-below.

            From PostgreSQL 17 on, with summarize_wal = on, the server reads and sends only what \
            changed, too; when it cannot, it sends every page, and the answer says why.

            A name makes it easy to find and to delete again. How long a point is kept is decided \
            when it is made: by the retention of the instance's policy, by one of its rules \
            (--rule), or, when that is later, until a moment (--keep-until).

              pgkeep backup create main --note "before the upgrade"
              pgkeep backup create main --name before-upgrade --keep-until 2027-01-01T00:00Z
            """
    )

    @OptionGroup var instance: NameArgument

    @Option(help: ArgumentHelp("Your own words, kept with the point.", valueName: "text"))
    var note = ""

    @Option(help: ArgumentHelp("The point's name, which no other has.", valueName: "name"))
    var name: String?

    @Option(help: ArgumentHelp("Keep it until then at least.", valueName: "time"))
    var keepUntil: String?

    @Option(
        help: ArgumentHelp(
            "Keep it as long as the policy keeps the first point of a period: daily, weekly, "
                + "monthly, yearly.",
            valueName: "rule"
        )
    )
    var rule: String?

    @Option(help: ArgumentHelp("The label the server shows and records.", valueName: "text"))
    var label = "pgkeep"

    @Flag(help: "Count it as scheduled, for runs from cron or a timer.")
    var scheduled = false

    @Flag(help: "Let the server spread its checkpoint over time instead of hurrying.")
    var spreadCheckpoint = false

    @Option(help: ArgumentHelp("Limit the server's sending, in kB/s.", valueName: "number"))
    var maxRate: Int?

    @Option(help: ArgumentHelp("Threads that compress and seal.", valueName: "number"))
    var workers = BackupOptions.workersDefault

    @Option(
        help: ArgumentHelp(
            "Move pages out of packs of which less is in use than this; 0 moves none.",
            valueName: "percent"
        )
    )
    var evacuateBelow = BackupOptions().evacuateBelow

    @Flag(help: "Have the server send every page, not only changed ones (17 and later).")
    var fullStream = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        var point: RecoveryPoint
        var warnings: [String]
        var hints: [String]

        /// design.md: the point itself, with warnings and hints among its keys.
        func encode(to encoder: any Encoder) throws {
            try point.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(warnings, forKey: .warnings)
            try container.encode(hints, forKey: .hints)
        }

        private enum CodingKeys: CodingKey { case warnings, hints }
    }

    func answer(_ session: Session) throws -> Answer {
        try Limits.check(workers, "--workers", 1...BackupOptions.workersMax)
        try Limits.check(evacuateBelow, "--evacuate-below", 0...BackupOptions.evacuateBelowMax)
        // The protocol's own limits of MAX_RATE.
        if let maxRate { try Limits.check(maxRate, "--max-rate", 32...1_048_576) }
        let context = try session.context()
        let record = try Instances.find(context, instance.name)
        var options = BackupOptions(
            trigger: scheduled ? .scheduled : .manual,
            label: label,
            note: note,
            fastCheckpoint: !spreadCheckpoint,
            maxRate: maxRate,
            workers: workers
        )
        options.name = name
        options.keepUntil = try keepUntil.map(Self.time)
        options.rule = try rule.map(Self.rule)
        options.evacuateBelow = evacuateBelow
        options.fullStream = fullStream
        let result = try RecordedBackup.run(context, record, options)
        return Answer(point: result.point, warnings: result.warnings, hints: result.hints)
    }

    private static func time(_ text: String) throws -> Timestamp {
        guard let time = Timestamp(text) else {
            throw PgkeepError(
                .usage,
                "--keep-until \(text) is no time",
                hint: "write it like 2027-01-01T00:00:00Z"
            )
        }
        return time
    }

    private static func rule(_ text: String) throws -> RetentionRule {
        guard let rule = RetentionRule(rawValue: text) else {
            let rules = RetentionRule.allCases.map(\.rawValue).joined(separator: ", ")
            throw PgkeepError(.usage, "there is no rule \(text)", hint: "there are: \(rules)")
        }
        return rule
    }

    func lines(_ answer: Answer) -> [String] {
        answer.warnings.map { "warning: \($0)" } + answer.hints.map { "hint: \($0)" }
            + [PointText.made(answer.point)]
    }
}
