public import Domain
import Platform

/// What `global/pg_control` says about a cluster.
///
/// Source of the format: src/include/catalog/pg_control.h of PostgreSQL 13–18; the offsets are the
/// same in all of them but for the checksum's, which 18 moved behind a new field.
public struct ControlFile: Hashable, Sendable {
    /// What the cluster was doing when the file was written.
    public enum State: Int32, Hashable, Sendable {
        /// Being started.
        case startingUp = 0
        /// Cleanly stopped.
        case shutDown = 1
        /// Cleanly stopped as a standby.
        case shutDownInRecovery = 2
        /// Being stopped.
        case shuttingDown = 3
        /// Replaying WAL after a crash.
        case crashRecovery = 4
        /// Replaying WAL from an archive or a primary.
        case archiveRecovery = 5
        /// Accepting writes.
        case production = 6
    }

    /// The length of the file.
    public static let length = 8192

    /// The system identifier.
    public var systemIdentifier: SystemIdentifier
    /// 13 to 18.
    public var majorVersion: Int
    /// The catalog version; it names the directory inside tablespaces.
    public var catalogVersion: UInt32
    /// What the cluster was doing.
    public var state: State
    /// When the file was written; whole seconds.
    public var modified: Timestamp
    /// The last checkpoint record.
    public var checkpoint: LSN
    /// What that record says.
    public var checkpointCopy: WALCheckpoint
    /// Replay must reach this before the data is consistent; zero for none.
    public var minimumRecoveryPoint: LSN
    /// The timeline of `minimumRecoveryPoint`.
    public var minimumRecoveryTimeline: TimelineID
    /// Where the backup being recovered began; zero outside of such a recovery.
    public var backupStart: LSN
    /// Where the standby backup being recovered ended; zero for none.
    public var backupEnd: LSN
    /// True when recovery must still see the backup's end record.
    public var needsBackupEnd: Bool
    /// The settings a server that replays this cluster's WAL must at least match.
    public var settings: SettingsFloor
    /// `wal_level`: 0 minimal, 1 replica, 2 logical.
    public var walLevel: Int32
    /// Bytes of a data page.
    public var blockSize: UInt32
    /// Pages of one file of a relation.
    public var segmentPages: UInt32
    /// Bytes of a WAL page.
    public var walBlockSize: UInt32
    /// The length of WAL segments.
    public var segmentSize: WALSegmentSize
    /// True when data pages carry checksums.
    public var hasDataChecksums: Bool

    /// Reads the file's bytes; 296 of them suffice.
    ///
    /// Throws `source.unsupported` for a version or build this program does not know, and
    /// `source.broken` for damage.
    public init(_ bytes: UnsafeRawBufferPointer) throws(PgkeepError) {
        guard bytes.count >= Self.needed else { throw Self.broken("it is too short") }
        majorVersion = try Self.majorVersion(bytes)
        // 18 added a byte (default_char_signedness) before the checksum.
        let checksum = majorVersion >= 18 ? 292 : 288
        guard CRC32C.of(bytes.part(0, checksum)) == bytes.field(checksum, as: UInt32.self) else {
            throw Self.broken("its checksum is wrong")
        }
        guard let state = State(rawValue: bytes.field(16)) else {
            throw Self.broken("the cluster state \(bytes.field(16, as: Int32.self)) is unknown")
        }
        try Self.verifyLayout(bytes)
        guard let size = WALSegmentSize(bytes: UInt64(bytes.field(228, as: UInt32.self))) else {
            throw Self.broken("its WAL segment size is impossible")
        }
        systemIdentifier = SystemIdentifier(bytes.field(0))
        catalogVersion = bytes.field(12)
        self.state = state
        modified = Timestamp(seconds: bytes.field(24))
        checkpoint = LSN(bytes.field(32))
        checkpointCopy = WALCheckpoint(bytes.part(40, 40 + WALCheckpoint.size), isOnline: nil)
        minimumRecoveryPoint = LSN(bytes.field(136))
        minimumRecoveryTimeline = bytes.field(144)
        backupStart = LSN(bytes.field(152))
        backupEnd = LSN(bytes.field(160))
        needsBackupEnd = bytes[168] != 0
        settings = SettingsFloor(
            maxConnections: bytes.field(180),
            maxWorkerProcesses: bytes.field(184),
            maxWALSenders: bytes.field(188),
            maxPreparedTransactions: bytes.field(192),
            maxLocksPerTransaction: bytes.field(196)
        )
        walLevel = bytes.field(172)
        blockSize = bytes.field(216)
        segmentPages = bytes.field(220)
        walBlockSize = bytes.field(224)
        segmentSize = size
        hasDataChecksums = bytes.field(252, as: UInt32.self) != 0
    }

    /// The directory that holds this cluster's files inside a tablespace.
    public var tablespaceDirectory: String { "PG_\(majorVersion)_\(catalogVersion)" }

    private static let needed = 296

    // Control versions are shared by majors (1300 means 13 to 16), so the catalog version decides.
    private static let majors: [UInt32: (control: UInt32, major: Int)] = [
        202_007_201: (1300, 13), 202_107_181: (1300, 14), 202_209_061: (1300, 15),
        202_307_071: (1300, 16), 202_406_281: (1700, 17), 202_506_291: (1800, 18),
    ]

    /// The major version with this catalog version, as tablespace directories name it; nil for
    /// releases this program does not know.
    public static func majorVersion(catalogVersion: UInt32) -> Int? {
        majors[catalogVersion]?.major
    }

    private static func majorVersion(_ bytes: UnsafeRawBufferPointer) throws(PgkeepError) -> Int {
        let control: UInt32 = bytes.field(8)
        let catalog: UInt32 = bytes.field(12)
        guard let known = majors[catalog], known.control == control else {
            throw PgkeepError(
                .sourceUnsupported,
                "pg_control has version \(control) and catalog version \(catalog), which is no "
                    + "release of PostgreSQL 13 to 18",
                hint: "use a release of pgkeep that knows this PostgreSQL version"
            )
        }
        return known.major
    }

    private static func verifyLayout(_ bytes: UnsafeRawBufferPointer) throws(PgkeepError) {
        let isNative =
            bytes.field(204, as: UInt32.self) == 8
            && bytes.field(208, as: UInt64.self) == 1_234_567.0.bitPattern
        guard isNative else {
            throw PgkeepError(
                .sourceUnsupported,
                "the server's machine lays out numbers in another way",
                hint: "pgkeep backs up servers on 64-bit little-endian machines"
            )
        }
        let pages: [UInt32] = [bytes.field(216), bytes.field(224)]
        guard pages == [8192, 8192], bytes.field(220, as: UInt32.self) > 0 else {
            throw PgkeepError(
                .sourceUnsupported,
                "the server was built with pages of \(pages[0]) and WAL pages of \(pages[1]) bytes",
                hint: "pgkeep backs up servers built with pages of 8192 bytes"
            )
        }
    }

    private static func broken(_ what: String) -> PgkeepError {
        PgkeepError(
            .sourceBroken,
            "pg_control is broken: \(what)",
            hint: "check the server with pg_controldata; take the backup again"
        )
    }
}
