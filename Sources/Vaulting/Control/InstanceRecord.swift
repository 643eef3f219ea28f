public import Domain
public import Platform

/// A protected PostgreSQL server, as all hosts that share the vault know it.
public struct InstanceRecord: Hashable, Sendable, Codable {
    /// Whether it is being protected.
    public enum State: String, Hashable, Sendable, Codable {
        /// Backups and WAL are taken.
        case active
        /// Protection is stopped; what is in the vault stays.
        case stopped
    }

    /// The operator's name for it; also the record's id.
    public var name: InstanceName
    /// The number its cluster was born with; never changes.
    public var systemIdentifier: SystemIdentifier
    /// How to reach it: a libpq connection string or URI, never with a password.
    public private(set) var source: String
    /// The replication slot that keeps its WAL for us; nil when none is used.
    public var slot: String?
    /// Its version when last seen.
    public var serverVersion: ServerVersion
    /// Its WAL segment size.
    public var segmentSize: WALSegmentSize
    /// When it was added.
    public var createdAt: Timestamp
    /// The operator's own words about it.
    public var labels: [String: String]
    /// Whether it is being protected.
    public var state: State

    enum CodingKeys: String, CodingKey {
        case name, source, slot, labels, state
        case systemIdentifier = "system_identifier"
        case serverVersion = "server_version"
        case segmentSize = "wal_segment_bytes"
        case createdAt = "created_at"
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
        state = .active
    }

    /// Changes how to reach it. Throws `.refused` when `source` carries a password.
    public mutating func setSource(_ source: String) throws(PgkeepError) {
        try ConnectionSecrets.refuse(in: source)
        self.source = source
    }
}

extension Vault {
    /// The instances of this vault, by name.
    public func instances(clock: any Clock = SystemClock()) -> RecordStore<InstanceRecord> {
        RecordStore(self, kind: "instance", clock: clock)
    }
}
