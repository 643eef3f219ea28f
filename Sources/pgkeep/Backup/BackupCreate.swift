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
            restored even when no stream runs. Interrupted, it leaves nothing that counts.

            Pages that are as in the newest point are not stored again, except a few from packs of \
            which little is still in use, so that those can be deleted one day: see \
            --evacuate-below.

              pgkeep backup create main --note "before the upgrade"
            """
    )

    @OptionGroup var instance: NameArgument

    @Option(help: ArgumentHelp("Your own words, kept with the point.", valueName: "text"))
    var note = ""

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

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        var point: RecoveryPoint
        var warnings: [String]

        /// design.md: the point itself, with the warnings among its keys.
        func encode(to encoder: any Encoder) throws {
            try point.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(warnings, forKey: .warnings)
        }

        private enum CodingKeys: CodingKey { case warnings }
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
        options.evacuateBelow = evacuateBelow
        let result = try BackupJob(context: context, instance: record, options: options).run()
        return Answer(point: result.point, warnings: result.warnings)
    }

    func lines(_ answer: Answer) -> [String] {
        answer.warnings.map { "warning: \($0)" } + [PointText.made(answer.point)]
    }
}
