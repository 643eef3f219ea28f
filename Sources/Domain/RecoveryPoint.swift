/// A base backup one can restore to: what the vault, the planner and the operator know of it.
///
/// The JSON form is design.md's point, with what a restore needs behind it.
public struct RecoveryPoint: Hashable, Sendable {
    /// Whether it can be used.
    public enum State: String, Hashable, Sendable, Codable {
        /// Committed and usable.
        case completed
        /// Still being made: not in the vault yet.
        case running
        /// Committed, but a check found objects of it damaged or missing.
        case damaged
    }

    /// Why it was made.
    public enum Trigger: String, Hashable, Sendable, Codable {
        /// The first one of a new instance.
        case initial
        /// Asked for by an operator.
        case manual
        /// Due by its policy.
        case scheduled
        /// Taken because WAL was lost: the first one behind the gap.
        case anchor
    }

    /// How the server sent it.
    public enum Method: String, Hashable, Sendable, Codable {
        /// Every file in full.
        case fullStream = "full-stream"
        /// Only blocks changed since the parent (PostgreSQL 17 and later).
        case incrementalStream = "incremental-stream"
    }

    /// A tablespace outside the data directory.
    public struct Tablespace: Hashable, Sendable, Codable {
        /// Its oid, the name of its link in `pg_tblspc`.
        public var oid: UInt32
        /// Where it lay on the source.
        public var path: String

        /// A tablespace.
        public init(oid: UInt32, path: String) {
            self.oid = oid
            self.path = path
        }
    }

    /// A page the server found damaged while sending the backup.
    public struct ChecksumFailure: Hashable, Sendable, Codable {
        /// The file, relative to the data directory.
        public var path: String
        /// The block in that file, when the server named one.
        public var block: UInt32?
        /// What the server said.
        public var message: String

        /// A warning of the server.
        public init(path: String, block: UInt32?, message: String) {
            self.path = path
            self.block = block
            self.message = message
        }
    }

    /// Its identity.
    public var id: PointID
    /// The instance it is of.
    public var instance: InstanceName
    /// The cluster it is of.
    public var systemIdentifier: SystemIdentifier
    /// Whether it can be used.
    public var state: State = .completed
    /// Why it was made.
    public var trigger: Trigger = .manual
    /// How the server sent it.
    public var method: Method = .fullStream
    /// The point whose pages it shares, if any; it does not depend on it.
    public var parent: PointID?
    /// When the job began, on the vault host's clock.
    public var startedAt: Timestamp
    /// When the point was committed, on the vault host's clock.
    public var finishedAt: Timestamp
    /// When the backup stopped, on the server's clock: the earliest restorable moment.
    ///
    /// No commit record before `stopLSN` may carry a later time. Where only the vault host's clock
    /// is known, that one serves.
    public var consistentAt: Timestamp
    /// Where replay must begin.
    public var startLSN: LSN
    /// Where replay makes the copy consistent: the earliest restorable position.
    public var stopLSN: LSN
    /// The timeline of both positions.
    public var timeline: TimelineID
    /// The source's version.
    public var serverVersion: ServerVersion
    /// True when a standby sent it.
    public var fromStandby = false
    /// Bytes a page.
    public var blockSize: UInt32 = 8192
    /// Bytes a WAL segment.
    public var segmentSize: WALSegmentSize = .standard
    /// True when data checksums were on.
    public var dataChecksums = false
    /// Settings that recovery needs at least as high.
    public var settings = SettingsFloor()
    /// Tablespaces outside the data directory.
    public var tablespaces: [Tablespace] = []
    /// Damaged pages the server warned of.
    public var checksumFailures: [ChecksumFailure] = []
    /// Configuration files kept from outside the data directory.
    public var configurationFiles = 0
    /// Files in the data directory and tablespaces.
    public var files: UInt64 = 0
    /// Bytes of those files.
    public var logicalBytes: UInt64 = 0
    /// Bytes this point added to the vault.
    public var storedBytes: UInt64 = 0
    /// Pages the point refers to.
    public var pagesTotal: UInt64 = 0
    /// Pages of them this point added.
    public var pagesNew: UInt64 = 0
    /// When its policy lets it go; nil means it is kept.
    public var expiresAt: Timestamp?
    /// The label given to the server.
    public var label = ""
    /// The operator's own words.
    public var note = ""
    /// The name it was asked for by, unique among the instance's points.
    public var name: String?
    /// What it keeps of the policy it was made under.
    public var policy: PolicyStamp?
    /// Until when the operator wants it kept, if that is later than its policy would.
    public var keepUntil: Timestamp?

    /// A completed point; what has a default is set afterwards.
    public init(
        id: PointID,
        instance: InstanceName,
        systemIdentifier: SystemIdentifier,
        startedAt: Timestamp,
        finishedAt: Timestamp,
        consistentAt: Timestamp,
        startLSN: LSN,
        stopLSN: LSN,
        timeline: TimelineID,
        serverVersion: ServerVersion
    ) {
        self.id = id
        self.instance = instance
        self.systemIdentifier = systemIdentifier
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.consistentAt = consistentAt
        self.startLSN = startLSN
        self.stopLSN = stopLSN
        self.timeline = timeline
        self.serverVersion = serverVersion
    }
}

extension RecoveryPoint: Codable {
    private enum CodingKeys: String, CodingKey {
        case id
        case instance
        case systemIdentifier = "system_identifier"
        case state
        case trigger
        case method
        case parent
        case startedAt = "started_at"
        case finishedAt = "finished_at"
        case consistentAt = "consistent_at"
        case startLSN = "start_lsn"
        case stopLSN = "stop_lsn"
        case timeline
        case serverVersion = "server_version"
        case fromStandby = "from_standby"
        case blockSize = "block_size"
        case segmentSize = "wal_segment_bytes"
        case dataChecksums = "data_checksums"
        case settings
        case tablespaces
        case checksumFailures = "checksum_failures"
        case configurationFiles = "configuration_files"
        case files
        case logicalBytes = "logical_bytes"
        case storedBytes = "stored_bytes"
        case pagesTotal = "pages_total"
        case pagesNew = "pages_new"
        case expiresAt = "expires_at"
        case label
        case note
        case name
        case policy
        case keepUntil = "keep_until"
    }

    /// Writes every key, unknown values as null, so that scripts need not test for presence.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(instance, forKey: .instance)
        try container.encode(systemIdentifier, forKey: .systemIdentifier)
        try container.encode(state, forKey: .state)
        try container.encode(trigger, forKey: .trigger)
        try container.encode(method, forKey: .method)
        try container.encode(parent, forKey: .parent)
        try container.encode(startedAt, forKey: .startedAt)
        try container.encode(finishedAt, forKey: .finishedAt)
        try container.encode(consistentAt, forKey: .consistentAt)
        try container.encode(startLSN, forKey: .startLSN)
        try container.encode(stopLSN, forKey: .stopLSN)
        try container.encode(timeline, forKey: .timeline)
        try container.encode(serverVersion, forKey: .serverVersion)
        try container.encode(fromStandby, forKey: .fromStandby)
        try container.encode(blockSize, forKey: .blockSize)
        try container.encode(segmentSize, forKey: .segmentSize)
        try container.encode(dataChecksums, forKey: .dataChecksums)
        try container.encode(settings, forKey: .settings)
        try container.encode(tablespaces, forKey: .tablespaces)
        try container.encode(checksumFailures, forKey: .checksumFailures)
        try container.encode(configurationFiles, forKey: .configurationFiles)
        try container.encode(files, forKey: .files)
        try container.encode(logicalBytes, forKey: .logicalBytes)
        try container.encode(storedBytes, forKey: .storedBytes)
        try container.encode(pagesTotal, forKey: .pagesTotal)
        try container.encode(pagesNew, forKey: .pagesNew)
        try container.encode(expiresAt, forKey: .expiresAt)
        try container.encode(label, forKey: .label)
        try container.encode(note, forKey: .note)
        try container.encode(name, forKey: .name)
        try container.encode(policy, forKey: .policy)
        try container.encode(keepUntil, forKey: .keepUntil)
    }
}
