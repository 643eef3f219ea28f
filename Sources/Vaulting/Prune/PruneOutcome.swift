public import Domain

/// What pruning one instance kept and let go, and why.
public struct PruneOutcome: Sendable {
    /// Some objects and their bytes.
    public struct Tally: Hashable, Sendable {
        /// How many.
        public var count = 0
        /// Their bytes.
        public var bytes: UInt64 = 0

        /// None.
        public init() {}

        mutating func add(_ size: UInt64) {
            count += 1
            bytes += size
        }

        mutating func add(_ other: Tally) {
            count += other.count
            bytes += other.bytes
        }
    }

    /// A root, or a condemned point whose root is still there.
    public struct Point: Hashable, Sendable {
        /// What becomes of it.
        public enum Fate: Hashable, Sendable {
            /// It is a recovery point.
            case visible
            /// It is condemned, and a living session reads it.
            case pinned(LeaseRecord.Kind)
            /// It is condemned, and its root is removed.
            case dropped
            /// Its root cannot be read, so nothing of the instance is let go.
            case damaged
        }

        /// Which one.
        public var id: PointID
        /// What becomes of it.
        public var fate: Fate
    }

    /// A session's lease.
    public struct Session: Hashable, Sendable {
        /// The session.
        public var id: PointID
        /// What it does; nil when its lease cannot be read.
        public var kind: LeaseRecord.Kind?
        /// The host it runs on; empty when its lease cannot be read.
        public var host: String
        /// Its last sign of life.
        public var beatAt: Timestamp?
        /// True when it counts as dead, and its lease is removed.
        public var isDead: Bool
    }

    /// WAL of one timeline with one fate, in neighbouring segments.
    public struct WALStretch: Hashable, Sendable {
        /// The timeline.
        public var timeline: TimelineID
        /// The first segment's start.
        public var start: LSN
        /// The last segment's end.
        public var end: LSN
        /// Why it is kept; nil when it is let go.
        public var reason: WALRetention.Reason?
        /// Its objects, parts and journals among them.
        public var objects: Tally
    }

    /// The roots there were, oldest first.
    public var points: [Point] = []
    /// The leases there were, oldest first.
    public var sessions: [Session] = []
    /// Packs that roots, drafts or living sessions need.
    public var packsKept = Tally()
    /// Packs nothing can need any more.
    public var packsDropped = Tally()
    /// Packs nobody needs, kept since a root that is lost may have needed them.
    public var packsOfLostRoots = Tally()
    /// WAL by timeline and position.
    public var wal: [WALStretch] = []
    /// Roots, leases, claims, drafts and journals let go.
    public var garbage = Tally()
    /// Files of writers that were killed.
    public var leftovers = 0
    /// What the operator should know.
    public var warnings: [String] = []

    /// An outcome in which nothing has happened.
    public init() {}

    /// Counts what an earlier pass of the same run let go.
    package mutating func add(_ first: PruneOutcome) {
        points = (points + first.points.filter { $0.fate == .dropped }).sorted { $0.id < $1.id }
        packsDropped.add(first.packsDropped)
        garbage.add(first.garbage)
        wal = first.wal.filter { $0.reason == nil } + wal
        leftovers += first.leftovers
    }

    /// Bytes let go.
    public var droppedBytes: UInt64 {
        wal.reduce(packsDropped.bytes + garbage.bytes) {
            $1.reason == nil ? $0 + $1.objects.bytes : $0
        }
    }

    /// True when anything was let go.
    public var hasDropped: Bool {
        packsDropped.count + garbage.count + leftovers > 0 || wal.contains { $0.reason == nil }
    }
}
