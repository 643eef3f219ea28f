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

    /// The damaged pages the server named.
    ///
    /// It names at most five a file, then counts. Text: `checksum verification failed in file "…",
    /// block N: …`, read by its quotes and its first number, since it may be localised.
    public var checksumFailures: [RecoveryPoint.ChecksumFailure] {
        notices.filter { $0.severity == "WARNING" && $0.message.contains("checksum") }
            .map { notice in
                let parts = notice.message.split(
                    separator: "\"",
                    maxSplits: 2,
                    omittingEmptySubsequences: false
                )
                guard parts.count == 3 else {
                    return .init(path: "", block: nil, message: notice.message)
                }
                let path = parts[1].hasPrefix("./") ? parts[1].dropFirst(2) : parts[1]
                let block = parts[2].drop { !$0.isNumber }.prefix { $0.isNumber }
                let named = parts[2].contains(":") ? UInt32(block) : nil
                return .init(path: String(path), block: named, message: notice.message)
            }
    }
}
