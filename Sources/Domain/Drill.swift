/// The receipt of a restore drill: what was restored, how far that proves it, and how long it took.
///
/// Written once, when the drill is over; it never changes again.
public struct Drill: Hashable, Sendable {
    /// How it ended.
    public enum Outcome: String, Hashable, Sendable, Codable, CaseIterable {
        /// All that was asked of the copy holds.
        case sound
        /// The copy is not what it should be: damage, a server that does not come up, a check that
        /// fails.
        case unsound
        /// It could not be carried out, which says nothing about the backups: no space, a missing
        /// program.
        case failed
        /// Ended by the operator.
        case cancelled
    }

    /// How far a proof goes; each level has those before it in it.
    public enum Level: String, Hashable, Sendable, Codable, CaseIterable, Comparable {
        /// Every file was put together out of the vault.
        case restored
        /// `pg_verifybackup` found each file and the WAL as they should be.
        case verified
        /// A server replayed the WAL up to the target and accepted writes.
        case started
        /// The operator's checks, or `pg_amcheck`, found nothing wrong.
        case checked

        /// Orders from the weakest to the strongest.
        public static func < (left: Level, right: Level) -> Bool { left.rank < right.rank }

        private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    }

    /// The moment asked for.
    public struct Target: Hashable, Sendable, Codable {
        /// `latest`, `time`, `lsn`, `xid`, `name` or `point`.
        public var kind: String
        /// Its value as text; nil for `latest`.
        public var value: String?
        /// True when pgkeep chose the moment by chance.
        public var isRandom: Bool

        /// What a restore's target comes to.
        public init(_ spec: RecoveryTargetSpec, isRandom: Bool) {
            kind = spec.target.kind
            value = spec.target.value
            self.isRandom = isRandom
        }

        enum CodingKeys: String, CodingKey {
            case kind, value
            case isRandom = "random"
        }
    }

    /// How long a part of it took.
    public struct Phase: Hashable, Sendable, Codable {
        /// `restore`, `verify`, `start` or `check`.
        public var name: String
        /// Seconds.
        public var seconds: Double

        /// A part.
        public init(name: String, seconds: Double) {
            self.name = name
            self.seconds = seconds
        }
    }

    /// One check of the running copy.
    public struct Check: Hashable, Sendable, Codable {
        /// The operator's file, or `pg_amcheck`.
        public var name: String
        /// The database it ran in; nil for all of them.
        public var database: String?
        /// True when it found nothing wrong.
        public var isPassed: Bool
        /// Seconds.
        public var seconds: Double
        /// What is wrong, in one line.
        public var message: String?

        /// A check that found nothing wrong until something is said.
        public init(name: String, database: String?) {
            self.name = name
            self.database = database
            isPassed = true
            seconds = 0
        }

        enum CodingKeys: String, CodingKey {
            case name, database, seconds, message
            case isPassed = "passed"
        }
    }

    /// The job it was.
    public var id: JobID
    /// The instance.
    public var instance: InstanceName
    /// Its cluster.
    public var systemIdentifier: SystemIdentifier
    /// Why it was made: `manual`, `scheduled`, `agent`.
    public var trigger: String
    /// The name of the machine.
    public var host: String
    /// What was asked for.
    public var target: Target
    /// How it ended.
    public var outcome = Outcome.failed
    /// What is proven; nil when not even the files could be put together.
    public var level: Level?
    /// The point it began with.
    public var point: PointID?
    /// The time of the last transaction in the copy.
    public var effectiveTime: Timestamp?
    /// Where replay ended.
    public var effectiveLSN: LSN?
    /// The timeline the copy wrote on.
    public var timeline: TimelineID?
    /// The stable code of what went wrong.
    public var errorCode: String?
    /// What went wrong, in one line.
    public var message: String?
    /// The parts it went through.
    public var phases: [Phase] = []
    /// What the running copy was asked.
    public var checks: [Check] = []
    /// Bytes of files put together.
    public var bytes: UInt64 = 0
    /// Bytes of WAL to replay.
    public var walBytes: UInt64 = 0
    /// Seconds a real restore would have taken: until the copy accepted writes, without
    /// `pg_verifybackup`. Nil when it did not get that far.
    public var rtoSeconds: Double?
    /// What the operator should know although all is well.
    public var warnings: [String] = []
    /// When it began.
    public var startedAt: Timestamp
    /// When the copy had been judged.
    public var endedAt: Timestamp

    /// A drill that begins.
    public init(
        id: JobID,
        instance: InstanceName,
        systemIdentifier: SystemIdentifier,
        trigger: String,
        host: String,
        target: Target,
        startedAt: Timestamp
    ) {
        self.id = id
        self.instance = instance
        self.systemIdentifier = systemIdentifier
        self.trigger = trigger
        self.host = host
        self.target = target
        self.startedAt = startedAt
        endedAt = startedAt
    }

    /// The time asked for; nil when it was no time.
    public var requestedTime: Timestamp? {
        target.kind == "time" ? target.value.flatMap { Timestamp($0) } : nil
    }

    /// True when it says something about the backups.
    public var isConclusive: Bool { outcome == .sound || outcome == .unsound }
}

extension Drill: Codable {
    private enum CodingKeys: String, CodingKey {
        case id, instance, trigger, host, target, outcome, level, point, timeline, message, phases
        case checks, bytes, warnings
        case systemIdentifier = "system_identifier"
        case requestedTime = "requested_time"
        case effectiveTime = "effective_time"
        case effectiveLSN = "effective_lsn"
        case errorCode = "error_code"
        case walBytes = "wal_bytes"
        case rtoSeconds = "rto_seconds"
        case startedAt = "started_at"
        case endedAt = "ended_at"
    }

    /// Reads it.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decode(JobID.self, forKey: .id)
        instance = try container.decode(InstanceName.self, forKey: .instance)
        systemIdentifier = try container.decode(SystemIdentifier.self, forKey: .systemIdentifier)
        trigger = try container.decode(String.self, forKey: .trigger)
        host = try container.decode(String.self, forKey: .host)
        target = try container.decode(Target.self, forKey: .target)
        outcome = try container.decode(Outcome.self, forKey: .outcome)
        level = try container.decodeIfPresent(Level.self, forKey: .level)
        point = try container.decodeIfPresent(PointID.self, forKey: .point)
        effectiveTime = try container.decodeIfPresent(Timestamp.self, forKey: .effectiveTime)
        effectiveLSN = try container.decodeIfPresent(LSN.self, forKey: .effectiveLSN)
        timeline = try container.decodeIfPresent(TimelineID.self, forKey: .timeline)
        errorCode = try container.decodeIfPresent(String.self, forKey: .errorCode)
        message = try container.decodeIfPresent(String.self, forKey: .message)
        phases = try container.decode([Phase].self, forKey: .phases)
        checks = try container.decode([Check].self, forKey: .checks)
        bytes = try container.decode(UInt64.self, forKey: .bytes)
        walBytes = try container.decode(UInt64.self, forKey: .walBytes)
        rtoSeconds = try container.decodeIfPresent(Double.self, forKey: .rtoSeconds)
        warnings = try container.decode([String].self, forKey: .warnings)
        startedAt = try container.decode(Timestamp.self, forKey: .startedAt)
        endedAt = try container.decode(Timestamp.self, forKey: .endedAt)
    }

    /// Writes every key, unknown values as null.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(instance, forKey: .instance)
        try container.encode(systemIdentifier, forKey: .systemIdentifier)
        try container.encode(trigger, forKey: .trigger)
        try container.encode(host, forKey: .host)
        try container.encode(target, forKey: .target)
        try container.encode(requestedTime, forKey: .requestedTime)
        try container.encode(outcome, forKey: .outcome)
        try container.encode(level, forKey: .level)
        try container.encode(point, forKey: .point)
        try container.encode(effectiveTime, forKey: .effectiveTime)
        try container.encode(effectiveLSN, forKey: .effectiveLSN)
        try container.encode(timeline, forKey: .timeline)
        try container.encode(errorCode, forKey: .errorCode)
        try container.encode(message, forKey: .message)
        try container.encode(phases, forKey: .phases)
        try container.encode(checks, forKey: .checks)
        try container.encode(bytes, forKey: .bytes)
        try container.encode(walBytes, forKey: .walBytes)
        try container.encode(rtoSeconds, forKey: .rtoSeconds)
        try container.encode(warnings, forKey: .warnings)
        try container.encode(startedAt, forKey: .startedAt)
        try container.encode(endedAt, forKey: .endedAt)
    }
}
