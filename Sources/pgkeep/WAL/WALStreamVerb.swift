import ArgumentParser
import Domain
import Engine
import Vaulting

/// `wal stream`
struct WALStreamVerb: Verb {
    static let configuration = CommandConfiguration(
        commandName: "stream",
        abstract: "Stream an instance's WAL into the vault until stopped.",
        discussion: """
            What is acknowledged to the server is durable in the vault. Named in the server's \
            synchronous_standby_names (as pgkeep), no acknowledged commit is ever lost. Lost \
            connections are made again; Ctrl-C or SIGTERM ends it cleanly. Recovery stops at \
            commits only: on a server that is often idle, --heartbeat makes a small one of its own \
            every so many seconds (never on a standby).

            With --until-caught-up, for cron, it ends when all WAL the server had at the start is \
            in the vault, and says nothing when there was nothing to fetch. When another stream is \
            at work, it waits until that one has it all.

              pgkeep wal stream main
              pgkeep wal stream main --heartbeat 60
              pgkeep wal stream main --until-caught-up
            """
    )

    @OptionGroup var instance: NameArgument

    @Flag(help: "End when all WAL the server had at the start is in the vault.")
    var untilCaughtUp = false

    @Flag(help: "Go on with the oldest WAL the server still has, leaving a gap in the window.")
    var acceptGap = false

    @Option(
        help: ArgumentHelp(
            "The name the server sees, for synchronous_standby_names.",
            valueName: "name"
        )
    )
    var applicationName = WALStreamOptions.applicationNameDefault

    @Option(
        help: ArgumentHelp(
            "Commit a message to nobody on the server every so many seconds.",
            valueName: "seconds"
        )
    )
    var heartbeat: Int?

    @OptionGroup var logging: LogOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> WALStreamResult {
        try session.setLog(logging)
        if let heartbeat {
            try Limits.check(heartbeat, "--heartbeat", 1...86400)
            guard !untilCaughtUp else {
                throw PgkeepError(
                    .usage,
                    "--heartbeat needs a stream that stays",
                    hint: "leave out --heartbeat or --until-caught-up"
                )
            }
        }
        let context = try session.context()
        let record = try Instances.find(context, instance.name)
        let options = WALStreamOptions(
            untilCaughtUp: untilCaughtUp,
            acceptsGap: acceptGap,
            applicationName: applicationName,
            heartbeatSeconds: heartbeat.map(Double.init)
        )
        return try Job.run(
            context,
            kind: .stream,
            instance: record.name,
            trigger: "manual",
            isQuiet: true
        ) { job in
            try WALStreamJob(context: job.context, instance: record, options: options).run()
        }
    }

    func lines(_ answer: WALStreamResult) -> [String] {
        // Cron mails what is said.
        if untilCaughtUp, answer.bytes == 0, !global.verbose { return [] }
        return [
            "WAL is durable up to \(answer.durableLSN) on timeline \(answer.timeline): "
                + "\(Wording.count(answer.segments, "segment")), \(Wording.bytes(answer.bytes))."
        ]
    }
}
