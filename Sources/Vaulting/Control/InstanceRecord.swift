public import Domain
public import Platform

/// A protected PostgreSQL server, as all hosts that share the vault know it.
public struct InstanceRecord: Hashable, Sendable, Codable {
    /// The operator's name for it; also the record's id.
    public var name: InstanceName
    /// The number its cluster was born with; never changes.
    public var systemIdentifier: SystemIdentifier
    /// How to reach it: a libpq connection string or URI, never with a password.
    public private(set) var source: String
    /// Other servers of the same cluster, standbys for instance; never with a password.
    public private(set) var endpoints: [String] = []
    /// Which of its servers WAL is streamed from.
    public var walFrom = SourceOrder.any
    /// Which of its servers backups are taken from.
    public var baseFrom = SourceOrder.any
    /// The replication slot that keeps its WAL for us; nil when none is used.
    public var slot: String?
    /// The slot is given up when it keeps more bytes of WAL than this; nil: never.
    public var giveUpSlotBytes: UInt64?
    /// Its version when last seen.
    public var serverVersion: ServerVersion
    /// Its WAL segment size.
    public var segmentSize: WALSegmentSize
    /// When it was added.
    public var createdAt: Timestamp
    /// The operator's own words about it.
    public var labels: [String: String]
    /// The name of its policy.
    public var policy = InstanceRecord.standardPolicy
    /// Who may reach it.
    public var exposure = Exposure.private
    /// Whether it is being protected.
    public var state = State.active
    /// When its protection was stopped; nil while it is active.
    public var stoppedAt: Timestamp?
    /// Why it was stopped, if anybody said.
    public var stopReason: Reason?
    /// What is forbidden; nil when nothing is.
    public var lock: LockLevel?
    /// Its way out; nil unless it is deleted.
    public var trash: Trash?
    /// The one point left of it, where all others were deleted for good.
    public var finalPoint: PointID?
    /// Until when that one is kept; nil when for ever.
    public var finalUntil: Timestamp?

    /// The policy of instances that were given none.
    public static let standardPolicy = "default"

    enum CodingKeys: String, CodingKey {
        case name, source, endpoints, slot, labels, policy, exposure, state, lock, trash
        case systemIdentifier = "system_identifier"
        case serverVersion = "server_version"
        case segmentSize = "wal_segment_bytes"
        case createdAt = "created_at"
        case walFrom = "wal_from"
        case baseFrom = "base_from"
        case giveUpSlotBytes = "give_up_slot_bytes"
        case stoppedAt = "stopped_at"
        case stopReason = "stop_reason"
        case finalPoint = "final_point"
        case finalUntil = "final_until"
    }

    /// A new instance. Throws `.refused` when `source` carries a password.
    public init(
        name: InstanceName,
        systemIdentifier: SystemIdentifier,
        source: String,
        slot: String?,
        serverVersion: ServerVersion,
        segmentSize: WALSegmentSize,
        createdAt: Timestamp,
        labels: [String: String] = [:]
    ) throws(PgkeepError) {
        try ConnectionSecrets.refuse(in: source)
        self.name = name
        self.systemIdentifier = systemIdentifier
        self.source = source
        self.slot = slot
        self.serverVersion = serverVersion
        self.segmentSize = segmentSize
        self.createdAt = createdAt
        self.labels = labels
    }

    /// Reads a record; what earlier versions did not write has its default.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        name = try values.decode(InstanceName.self, forKey: .name)
        systemIdentifier = try values.decode(SystemIdentifier.self, forKey: .systemIdentifier)
        source = try values.decode(String.self, forKey: .source)
        endpoints = try values.decodeIfPresent([String].self, forKey: .endpoints) ?? []
        walFrom = try values.decodeIfPresent(SourceOrder.self, forKey: .walFrom) ?? .any
        baseFrom = try values.decodeIfPresent(SourceOrder.self, forKey: .baseFrom) ?? .any
        slot = try values.decodeIfPresent(String.self, forKey: .slot)
        giveUpSlotBytes = try values.decodeIfPresent(UInt64.self, forKey: .giveUpSlotBytes)
        serverVersion = try values.decode(ServerVersion.self, forKey: .serverVersion)
        segmentSize = try values.decode(WALSegmentSize.self, forKey: .segmentSize)
        createdAt = try values.decode(Timestamp.self, forKey: .createdAt)
        labels = try values.decode([String: String].self, forKey: .labels)
        policy =
            try values.decodeIfPresent(String.self, forKey: .policy)
            ?? InstanceRecord.standardPolicy
        exposure = try values.decodeIfPresent(Exposure.self, forKey: .exposure) ?? .private
        state = try values.decode(State.self, forKey: .state)
        stoppedAt = try values.decodeIfPresent(Timestamp.self, forKey: .stoppedAt)
        stopReason = try values.decodeIfPresent(Reason.self, forKey: .stopReason)
        lock = try values.decodeIfPresent(LockLevel.self, forKey: .lock)
        trash = try values.decodeIfPresent(Trash.self, forKey: .trash)
        finalPoint = try values.decodeIfPresent(PointID.self, forKey: .finalPoint)
        finalUntil = try values.decodeIfPresent(Timestamp.self, forKey: .finalUntil)
    }

    /// Changes how to reach it. Throws `.refused` when `source` carries a password.
    public mutating func setSource(_ source: String) throws(PgkeepError) {
        try ConnectionSecrets.refuse(in: source)
        self.source = source
    }

    /// Changes the other servers of its cluster. Throws `.refused` when one carries a password.
    public mutating func setEndpoints(_ endpoints: [String]) throws(PgkeepError) {
        for source in endpoints { try ConnectionSecrets.refuse(in: source) }
        self.endpoints = endpoints
    }

    /// How to reach its servers, the first one first.
    public var addresses: [String] { [source] + endpoints }

    /// True when its server is gone for good and only what the vault holds is left: it was stopped
    /// since it was taken out of service, or deleted but for its last point.
    public var isDeprovisioned: Bool {
        guard state == .stoppedForever || state == .stoppedPolicy else { return false }
        return stopReason == .decommissioned || finalPoint != nil
    }
}

extension Vault {
    /// The instances of this vault, by name.
    public func instances(clock: any Clock = SystemClock()) -> RecordStore<InstanceRecord> {
        RecordStore(self, kind: "instance", clock: clock)
    }
}
