import ArgumentParser
import Domain
import Engine

/// The moment to restore to: at most one of several ways to say it; none means all there is.
struct TargetOptions: ParsableArguments {
    @Flag(help: "All that is archived (this is the default).")
    var latest = false

    @Option(
        help: ArgumentHelp(
            "A time, RFC 3339; without an offset it is UTC.",
            valueName: "time"
        )
    )
    var time: String?

    @Option(help: ArgumentHelp("A WAL position, like 0/3000060.", valueName: "lsn"))
    var lsn: String?

    @Option(
        help: ArgumentHelp(
            "The end of a transaction, as pg_current_xact_id() names it.",
            valueName: "xid"
        )
    )
    var xid: String?

    @Option(
        help: ArgumentHelp(
            "A restore point made with pg_create_restore_point().",
            valueName: "name"
        )
    )
    var name: String?

    @Option(
        help: ArgumentHelp(
            "The consistent end of one backup: its id, or the id's beginning.",
            valueName: "id"
        )
    )
    var point: String?

    @Flag(help: "Stop just before the target instead of just after it.")
    var exclusive = false

    @Option(
        help: ArgumentHelp(
            "The timeline to end on (default: the newest one archived).",
            valueName: "number"
        )
    )
    var timeline: String?

    /// True when anything is asked for.
    var isGiven: Bool {
        latest || exclusive || [time, lsn, xid, name, point, timeline].contains { $0 != nil }
    }

    /// What the options ask for, of this instance.
    func spec(_ context: JobContext) throws -> RecoveryTargetSpec {
        try RecoveryTargetSpec(
            latest: latest,
            time: time,
            lsn: lsn,
            xid: xid,
            name: name,
            point: point.map { try Points.find(context, $0).id.description },
            exclusive: exclusive,
            timeline: timeline
        )
    }

    /// Throws what is wrong with the options before anything is opened.
    func check() throws {
        _ = try RecoveryTargetSpec(
            latest: latest,
            time: time,
            lsn: lsn,
            xid: xid,
            name: name,
            // Whether an abbreviated id is one is known only to the vault.
            point: point.map { _ in "00000000-0000-7000-8000-000000000000" },
            exclusive: exclusive,
            timeline: timeline
        )
    }
}
