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
            synchronous_standby_names (as pgkeep), no acknowledged commit is ever lost; without \
            that, WAL is synced at most 50 times a second, which costs the server least. Lost \
            connections are made again; Ctrl-C or SIGTERM ends it cleanly. Recovery stops at \
            commits only: on a server that is often idle, --heartbeat makes a small one of its own \
            every so many seconds. When a standby is streamed from, the primary makes it, if the \
            instance has an address of its own for it.

            Of an instance with several servers it streams from the one that change-source \
            --wal-from prefers, goes over to another when that is gone, and follows promotions. \
            Where none has WAL that the vault lacks it ends, or, with --accept-gap, goes on \
            behind it and records the gap; the next backup run-due then takes a backup at once.

            It watches what its slot does to the server: wal status shows how much WAL is kept. \
            With --give-up-slot-at a slot that keeps more is dropped, which leaves a gap, too. \
            While the vault's disk is nearly full nothing is taken or acknowledged.

            With --until-caught-up, for cron, it ends when all WAL the server had at the start is \
            in the vault, and says nothing when there was nothing to fetch. When another stream is \
            at work, it waits until that one has it all. A server that is stopped, or an instance \
            whose protection is, is no failure then: exit 0, and one skipped job on record for a \
            server. A server that cannot be reached is exit 7.

              pgkeep wal stream main
              pgkeep wal stream main --heartbeat 60
              pgkeep wal stream main --accept-gap --give-up-slot-at 50GB
              pgkeep wal stream main --until-caught-up
            """
    )

    @OptionGroup var instance: NameArgument

    @Flag(help: "End when all WAL the server had at the start is in the vault.")
    var untilCaughtUp = false

    @Flag(help: "Go on behind WAL that is lost for good, recording a gap in the window.")
    var acceptGap = false

    @Option(
        help: ArgumentHelp(
            "Drop the slot when it keeps more WAL on the server (default: as change-source says).",
            valueName: "size"
        )
    )
    var giveUpSlotAt: String?

    @Option(
        help: ArgumentHelp(
            "Leave so much of the vault's disk free (default: 2 %, 32 MiB to 1 GiB).",
            valueName: "size"
        )
    )
    var minFree: String?

    @Option(help: ArgumentHelp("Look at the slot every so many seconds.", valueName: "seconds"))
    var watchEvery = 30

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

    struct Answer: Encodable {
        /// Nil when nothing was streamed.
        var result: WALStreamResult?
        /// Why nothing was: `server-stopped`, `protection-stopped`, or `stopped`, before it had
        /// reached a server.
        var skipReason: String?

        private enum CodingKeys: String, CodingKey {
            case timeline, segments, bytes
            case durableLSN = "durable_lsn"
            case skipReason = "skip_reason"
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(result?.timeline, forKey: .timeline)
            try container.encode(result?.durableLSN, forKey: .durableLSN)
            try container.encode(result?.segments ?? 0, forKey: .segments)
            try container.encode(result?.bytes ?? 0, forKey: .bytes)
            try container.encode(skipReason, forKey: .skipReason)
        }
    }

    func answer(_ session: Session) throws -> Answer {
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
        if !untilCaughtUp { session.trimMemory() }
        let trigger = try session.trigger(else: "manual")
        let context = try session.context()
        let record = try Instances.find(context, instance.name)
        var options = WALStreamOptions(
            untilCaughtUp: untilCaughtUp,
            acceptsGap: acceptGap,
            applicationName: applicationName,
            heartbeatSeconds: heartbeat.map(Double.init)
        )
        try Limits.check(watchEvery, "--watch-every", 1...3600)
        options.watchSeconds = Double(watchEvery)
        options.giveUpSlotBytes = try giveUpSlotAt.map {
            try Limits.bytes($0, "--give-up-slot-at")
        }
        options.minFreeBytes = try minFree.map { try Limits.bytes($0, "--min-free") }
        switch try RecordedStream.run(context, record, options, trigger: trigger) {
        case .streamed(let result): return Answer(result: result, skipReason: nil)
        case .serverStopped: return Answer(result: nil, skipReason: "server-stopped")
        case .protectionStopped: return Answer(result: nil, skipReason: "protection-stopped")
        case .stoppedEarly: return Answer(result: nil, skipReason: "stopped")
        }
    }

    func lines(_ answer: Answer) -> [String] {
        // Cron mails what is said.
        guard !untilCaughtUp || (answer.result?.bytes ?? 0) > 0 || global.verbose else { return [] }
        guard let result = answer.result else {
            return ["Nothing was streamed: \(answer.skipReason ?? "")."]
        }
        return [
            "WAL is durable up to \(result.durableLSN) on timeline \(result.timeline): "
                + "\(Wording.count(result.segments, "segment")), \(Wording.bytes(result.bytes))."
        ]
    }
}
