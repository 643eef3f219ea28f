/// The moment to restore to.
public enum RecoveryTarget: Hashable, Sendable {
    /// All that is archived.
    case latest
    /// The consistent end of one backup.
    case immediate(PointID)
    /// A time: commits up to it.
    case time(Timestamp)
    /// A position in the WAL.
    case lsn(LSN)
    /// The end of a transaction.
    case xid(UInt32)
    /// A named restore point.
    case name(String)

    /// The word for it in JSON: `latest`, `point`, `time`, `lsn`, `xid` or `name`.
    public var kind: String {
        switch self {
        case .latest: "latest"
        case .immediate: "point"
        case .time: "time"
        case .lsn: "lsn"
        case .xid: "xid"
        case .name: "name"
        }
    }

    /// The value as text; nil for `latest`.
    public var value: String? {
        switch self {
        case .latest: nil
        case .immediate(let point): point.description
        case .time(let time): time.description
        case .lsn(let position): position.description
        case .xid(let xid): String(xid)
        case .name(let name): name
        }
    }
}

/// A target with its side and timeline: everything an operator can ask for.
public struct RecoveryTargetSpec: Hashable, Sendable {
    /// The moment.
    public var target: RecoveryTarget
    /// Whether what lies exactly at the target is kept; only time, LSN and xid have two sides.
    public var inclusive: Bool
    /// The timeline to end on; nil means the newest one archived.
    public var timeline: TimelineID?

    /// A target.
    public init(
        _ target: RecoveryTarget = .latest,
        inclusive: Bool = true,
        timeline: TimelineID? = nil
    ) {
        self.target = target
        self.inclusive = inclusive
        self.timeline = timeline
    }

    /// True where `inclusive` makes a difference.
    public var hasSides: Bool {
        switch target {
        case .time, .lsn, .xid: true
        case .latest, .immediate, .name: false
        }
    }

    /// From the options of a command line: at most one target; none means latest.
    ///
    /// A time without an offset is UTC. A transaction number may carry its epoch, as
    /// `pg_current_xact_id()` prints it.
    public init(
        latest: Bool = false,
        time: String? = nil,
        lsn: String? = nil,
        xid: String? = nil,
        name: String? = nil,
        point: String? = nil,
        exclusive: Bool = false,
        timeline: String? = nil
    ) throws(PgkeepError) {
        let given = [time, lsn, xid, name, point].count { $0 != nil } + (latest ? 1 : 0)
        guard given <= 1 else {
            throw PgkeepError(
                .usage,
                "more than one target is given",
                hint: "give one of --latest, --time, --lsn, --xid, --name and --point"
            )
        }
        var target = RecoveryTarget.latest
        if let time { target = .time(try Self.time(time)) }
        if let lsn { target = .lsn(try Self.lsn(lsn)) }
        if let xid { target = .xid(try Self.xid(xid)) }
        if let name { target = .name(try Self.name(name)) }
        if let point { target = .immediate(try Self.point(point)) }
        self.init(target, inclusive: !exclusive)
        guard inclusive || hasSides else {
            throw PgkeepError(
                .usage,
                "--exclusive means nothing for this target",
                hint: "use it with --time, --lsn or --xid, or leave it out"
            )
        }
        if let timeline { self.timeline = try Self.timeline(timeline) }
    }

    private static func time(_ text: String) throws(PgkeepError) -> Timestamp {
        guard let time = Timestamp(text) else {
            throw PgkeepError(
                .usage,
                "\"\(text)\" is no time",
                hint: "write it like 2026-03-14T15:09:26Z or \"2026-03-14 15:09:26.5+01:00\""
            )
        }
        return time
    }

    private static func lsn(_ text: String) throws(PgkeepError) -> LSN {
        guard let position = LSN(text), position > .zero else {
            throw PgkeepError(
                .usage,
                "\"\(text)\" is no WAL position",
                hint: "write it as PostgreSQL does, like 0/3000060"
            )
        }
        return position
    }

    private static func xid(_ text: String) throws(PgkeepError) -> UInt32 {
        // The WAL has the low half only; numbers below 3 are never given to a transaction.
        guard text.utf8.allSatisfy({ (48...57).contains($0) }), let full = UInt64(text),
            full & 0xffff_ffff >= 3
        else {
            throw PgkeepError(
                .usage,
                "\"\(text)\" is no transaction number",
                hint: "write it as pg_current_xact_id() prints it, like 7481"
            )
        }
        return UInt32(truncatingIfNeeded: full)
    }

    private static func name(_ text: String) throws(PgkeepError) -> String {
        guard (1...63).contains(text.utf8.count), !text.utf8.contains(0), !text.contains("\n")
        else {
            throw PgkeepError(
                .usage,
                "a restore point's name has 1 to 63 bytes in one line",
                hint: "give the name that was given to pg_create_restore_point()"
            )
        }
        return text
    }

    private static func point(_ text: String) throws(PgkeepError) -> PointID {
        guard let point = PointID(text) else {
            throw PgkeepError(
                .usage,
                "\"\(text)\" is no recovery point id",
                hint: "take one from `pgkeep backup list`"
            )
        }
        return point
    }

    private static func timeline(_ text: String) throws(PgkeepError) -> TimelineID {
        guard text.utf8.allSatisfy({ (48...57).contains($0) }), let timeline = TimelineID(text),
            timeline > 0
        else {
            throw PgkeepError(
                .usage,
                "\"\(text)\" is no timeline",
                hint: "give its number, like 2, or leave it out for the newest one"
            )
        }
        return timeline
    }
}

extension RecoveryTargetSpec: Encodable {
    private enum CodingKeys: CodingKey { case kind, value, inclusive, timeline }

    /// `{kind, value, inclusive, timeline}`; unknown values are null.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(target.kind, forKey: .kind)
        try container.encode(target.value, forKey: .value)
        try container.encode(hasSides ? inclusive : nil, forKey: .inclusive)
        try container.encode(timeline, forKey: .timeline)
    }
}

extension RecoveryTargetSpec: CustomStringConvertible {
    /// In words, for messages: `the time 2026-…`, `the latest moment`.
    public var description: String {
        switch target {
        case .latest: "the latest moment"
        case .immediate(let point): "the end of backup \(point)"
        case .time(let time): "the time \(time)"
        case .lsn(let position): "the position \(position)"
        case .xid(let xid): "transaction \(xid)"
        case .name(let name): "the restore point \"\(name)\""
        }
    }
}
