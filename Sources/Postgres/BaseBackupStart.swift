public import Domain

/// What the server says before it sends the first byte of a base backup.
public struct BaseBackupStart: Hashable, Sendable {
    /// A tablespace beside the main data directory.
    public struct Tablespace: Hashable, Sendable {
        /// Its OID.
        public var oid: UInt32
        /// Its directory on the server; relative (`pg_tblspc/<oid>`) for one inside PGDATA.
        public var location: String
        /// The estimated size in kB, when it was asked for.
        public var kilobytes: UInt64?

        /// A tablespace.
        public init(oid: UInt32, location: String, kilobytes: UInt64?) {
            self.oid = oid
            self.location = location
            self.kilobytes = kilobytes
        }
    }

    /// Where recovery must begin to read WAL.
    public var lsn: LSN
    /// The timeline of `lsn`.
    public var timeline: TimelineID
    /// The tablespaces, in the order their archives come; the main data directory comes last.
    public var tablespaces: [Tablespace]
    /// The estimated size of all archives in bytes, when it was asked for.
    public var estimatedBytes: UInt64?

    /// The start of a backup.
    public init(
        lsn: LSN,
        timeline: TimelineID,
        tablespaces: [Tablespace],
        estimatedBytes: UInt64?
    ) {
        self.lsn = lsn
        self.timeline = timeline
        self.tablespaces = tablespaces
        self.estimatedBytes = estimatedBytes
    }
}

/// What the server says after the last byte of a base backup.
public struct BaseBackupEnd: Hashable, Sendable {
    /// The WAL must be kept up to here for the backup to be consistent.
    public var lsn: LSN
    /// The timeline of `lsn`.
    public var timeline: TimelineID
    /// What the server reported meanwhile, page checksum failures among them.
    public var notices: [Notice]
    /// True when the server found damaged pages (XX001).
    ///
    /// The data is complete nonetheless and is to be kept, flagged.
    public var hasChecksumFailures: Bool

    /// The end of a backup.
    public init(lsn: LSN, timeline: TimelineID, notices: [Notice], hasChecksumFailures: Bool) {
        self.lsn = lsn
        self.timeline = timeline
        self.notices = notices
        self.hasChecksumFailures = hasChecksumFailures
    }

    /// The warnings about single damaged pages, in the server's words.
    public var checksumWarnings: [String] {
        notices.filter { $0.severity == "WARNING" && $0.message.contains("checksum") }
            .map(\.message)
    }
}
