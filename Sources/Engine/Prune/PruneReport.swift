public import Domain
import Vaulting

/// What a run of pruning kept and let go, by instance.
public struct PruneReport: Sendable, Encodable {
    /// Some objects and their bytes.
    public struct Tally: Sendable, Encodable {
        /// How many.
        public var count: Int
        /// Their bytes.
        public var bytes: UInt64

        init(_ tally: PruneOutcome.Tally) {
            count = tally.count
            bytes = tally.bytes
        }
    }

    /// A recovery point, or what is left of one.
    public struct Point: Sendable, Encodable {
        /// Which one.
        public var id: PointID
        /// Whether its root stays.
        public var kept: Bool
        /// Why.
        public var reason: String
    }

    /// A session's lease.
    public struct Session: Sendable, Encodable {
        /// The session.
        public var session: PointID
        /// What it does.
        public var kind: String?
        /// Where it runs.
        public var host: String
        /// Its last sign of life.
        public var beatAt: Timestamp?
        /// Whether its lease stays.
        public var kept: Bool

        enum CodingKeys: String, CodingKey {
            case session, kind, host, kept
            case beatAt = "beat_at"
        }
    }

    /// Neighbouring WAL segments of one timeline.
    public struct WAL: Sendable, Encodable {
        /// The timeline.
        public var timeline: TimelineID
        /// The first byte.
        public var fromLSN: LSN
        /// The position after the last.
        public var toLSN: LSN
        /// Objects: segments, parts, journals.
        public var objects: Int
        /// Their bytes.
        public var bytes: UInt64
        /// Whether they stay.
        public var kept: Bool
        /// Why.
        public var reason: String

        enum CodingKeys: String, CodingKey {
            case timeline, objects, bytes, kept, reason
            case fromLSN = "from_lsn"
            case toLSN = "to_lsn"
        }
    }

    /// One instance.
    public struct Instance: Sendable, Encodable {
        /// Its name; the system identifier in hexadecimal when no record names it.
        public var name: String
        /// Its cluster.
        public var systemIdentifier: SystemIdentifier
        /// Its points, oldest first.
        public var points: [Point]
        /// Packs that stay.
        public var packsKept: Tally
        /// Packs let go.
        public var packsDropped: Tally
        /// WAL, by timeline and position.
        public var wal: [WAL]
        /// Leases there were.
        public var leases: [Session]
        /// Roots, leases, claims, drafts and journals let go.
        public var garbage: Tally
        /// Unfinished files of killed writers removed.
        public var leftovers: Int
        /// All bytes let go.
        public var droppedBytes: UInt64
        /// What the operator should know.
        public var warnings: [String]

        enum CodingKeys: String, CodingKey {
            case name, points, wal, leases, garbage, leftovers, warnings
            case systemIdentifier = "system_identifier"
            case packsKept = "packs_kept"
            case packsDropped = "packs_dropped"
            case droppedBytes = "dropped_bytes"
        }
    }

    /// True when nothing was changed.
    public var isDry: Bool
    /// By name.
    public var instances: [Instance] = []
    /// Instances whose time in the trash is over.
    public var trash: [TrashPurge.Report] = []
    /// All bytes let go.
    public var droppedBytes: UInt64 {
        instances.reduce(0) { $0 + $1.droppedBytes }
            + trash.reduce(0) { $0 + ($1.fate == .due ? 0 : $1.bytes) }
    }
    /// Instances that could not be pruned, with the reason.
    public var failed: [String: String] = [:]
    /// The first of those failures.
    public var error: PgkeepError?
    /// The moment pruning went by: the clock's, or an earlier one when that is doubted.
    public var believedNow: Timestamp?

    enum CodingKeys: String, CodingKey {
        case instances, failed, trash
        case isDry = "dry_run"
        case droppedBytes = "dropped_bytes"
    }

    init(isDry: Bool) { self.isDry = isDry }

    /// Writes the sum besides what is stored.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(isDry, forKey: .isDry)
        try container.encode(instances, forKey: .instances)
        try container.encode(droppedBytes, forKey: .droppedBytes)
        try container.encode(failed, forKey: .failed)
        try container.encode(trash, forKey: .trash)
    }
}

extension PruneReport.Instance {
    init(
        _ name: String,
        _ system: SystemIdentifier,
        _ outcome: PruneOutcome,
        _ expiry: Expiry?
    ) {
        self.name = name
        systemIdentifier = system
        points = outcome.points.map {
            let known = expiry?.reasons[$0.id]?.map(\.text).joined(separator: ", ")
            let isPlain = $0.fate == .visible || $0.fate == .dropped
            return PruneReport.Point(
                id: $0.id,
                kept: $0.fate != .dropped,
                reason: isPlain ? known ?? $0.fate.text : $0.fate.text
            )
        }
        packsKept = PruneReport.Tally(outcome.packsKept)
        packsDropped = PruneReport.Tally(outcome.packsDropped)
        wal = outcome.wal.map {
            PruneReport.WAL(
                timeline: $0.timeline,
                fromLSN: $0.start,
                toLSN: $0.end,
                objects: $0.objects.count,
                bytes: $0.objects.bytes,
                kept: $0.reason != nil,
                reason: $0.reason?.text ?? "no point and no session needs it"
            )
        }
        leases = outcome.sessions.map {
            PruneReport.Session(
                session: $0.id,
                kind: $0.kind?.rawValue,
                host: $0.host,
                beatAt: $0.beatAt,
                kept: !$0.isDead
            )
        }
        garbage = PruneReport.Tally(outcome.garbage)
        leftovers = outcome.leftovers
        droppedBytes = outcome.droppedBytes
        warnings = (expiry?.warnings ?? []) + outcome.warnings
    }

    /// True when anything was let go.
    public var hasDropped: Bool {
        packsDropped.count + garbage.count + leftovers > 0 || wal.contains { !$0.kept }
    }
}

extension PruneOutcome.Point.Fate {
    fileprivate var text: String {
        switch self {
        case .visible: "a recovery point"
        case .pinned(let kind): "deleted, but \(kind.noun) is reading it"
        case .dropped: "deleted"
        case .damaged: "its root cannot be read"
        }
    }
}

extension WALRetention.Reason {
    fileprivate var text: String {
        switch self {
        case .replay(let point): "replayed from point \(point) on"
        case .consistency(let point): "makes point \(point) consistent"
        case .held: "reaches moments that are held"
        case .session: "a running job may need it"
        case .contradiction: "contradicts what was archived first"
        case .undecided: "whether it is needed cannot be told"
        }
    }
}
