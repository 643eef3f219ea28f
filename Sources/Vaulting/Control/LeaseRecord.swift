public import Domain
public import Platform

/// What a lease object says: who works on an instance, since when, and when it last gave a sign.
///
/// Pruning keeps what living sessions need: their parent point, their own packs, and WAL from
/// `walFloor` on.
public struct LeaseRecord: Hashable, Sendable, Codable {
    /// What kind of session holds a lease.
    public enum Kind: String, Hashable, Sendable, Codable {
        /// A backup being taken.
        case backup
        /// WAL being streamed.
        case stream
        /// A restore reading a point.
        case restore
        /// A check reading points.
        case check
        /// Due work being looked for and done; what it does has leases of its own.
        case due
        /// An agent taking care of the instance; its children have leases of their own.
        case agent

        /// The words for messages.
        public var noun: String {
            switch self {
            case .backup: "a backup"
            case .stream: "a WAL stream"
            case .restore: "a restore"
            case .check: "a check"
            case .due: "due work"
            case .agent: "an agent"
            }
        }
    }

    /// The session.
    public var session: PointID
    /// What it does.
    public var kind: Kind
    /// The point it reads from, if any.
    public var parent: PointID?
    /// WAL from here on must stay, if it needs any.
    public var walFloor: LSN?
    /// The number of a draft of its root, to resume from; its packs stay.
    public var draft: UInt32?
    /// The process.
    public var holder: ProcessIdentity
    /// When it began, on the holder's clock.
    public var startedAt: Timestamp
    /// When it last gave a sign, on the holder's clock.
    public var beatAt: Timestamp
    /// Signs given so far.
    public var beats: UInt64
    /// What the session tells about itself: one JSON document of its own kind.
    public var status: String?
    /// When it was put, by the store's clock; nil when it was not read from a store. No part of
    /// what is stored.
    public var putAt: Timestamp?

    /// After this long without a sign a session that cannot be looked at directly counts as dead.
    public static let silenceSeconds: Double = 120

    enum CodingKeys: String, CodingKey {
        case session, kind, parent, draft, holder, beats, status
        case walFloor = "wal_floor"
        case startedAt = "started_at"
        case beatAt = "beat_at"
    }

    /// A lease about to be put for the first time.
    public init(
        session: PointID,
        kind: Kind,
        parent: PointID? = nil,
        walFloor: LSN? = nil,
        holder: ProcessIdentity = .current(),
        startedAt: Timestamp
    ) {
        self.session = session
        self.kind = kind
        self.parent = parent
        self.walFloor = walFloor
        self.holder = holder
        self.startedAt = startedAt
        beatAt = startedAt
        beats = 0
    }

    /// True when the session is gone: its process has ended on this very machine, or it has been
    /// silent for longer than `silence` seconds.
    ///
    /// A sign from further ahead than that was given by a host whose clock is wrong, which would
    /// keep its dead sessions alive: it counts as given when the store says it was put. Any other
    /// counts as its holder says, since the store's clock may be behind those of all hosts.
    /// A wrong guess costs the session its role or its commit, never data: everything it could
    /// still write is put only where nothing is.
    public func isDead(
        now: Timestamp,
        observer: ProcessIdentity = .current(),
        silence: Double = silenceSeconds
    ) -> Bool {
        if let ended = holder.hasEnded(seenFrom: observer) { return ended }
        let isAhead = beatAt.seconds(since: now) > silence
        return now.seconds(since: isAhead ? putAt ?? beatAt : beatAt) > silence
    }

    /// The status as a value of the session's own type; nil when there is none or it is another.
    public func status<Value: Decodable>(as type: Value.Type) -> Value? {
        guard let status else { return nil }
        return try? ControlJSON.decode(type, Array(status.utf8), "the status of a lease")
    }
}
