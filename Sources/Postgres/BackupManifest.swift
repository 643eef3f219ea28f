public import Domain

/// What a `backup_manifest` says besides its files.
public struct BackupManifest: Hashable, Sendable {
    /// WAL a backup needs to become consistent.
    public struct WALRange: Hashable, Sendable {
        /// The timeline it lies on.
        public var timeline: TimelineID
        /// The first position.
        public var start: LSN
        /// The position after the last byte.
        public var end: LSN

        /// A stretch of one timeline.
        public init(timeline: TimelineID, start: LSN, end: LSN) {
            self.timeline = timeline
            self.start = start
            self.end = end
        }
    }

    /// The incremental SHA-256 that manifests end with; made by a layer that has one.
    public struct Digest {
        let update: (UnsafeRawBufferPointer) -> Void
        let finish: () -> [UInt8]

        /// `update` takes the next bytes; `finish`, called once, returns the 32 bytes.
        public init(
            update: @escaping (UnsafeRawBufferPointer) -> Void,
            finish: @escaping () -> [UInt8]
        ) {
            self.update = update
            self.finish = finish
        }
    }

    /// The format: 1 from PostgreSQL 13 to 16, 2 from 17 on.
    public var version: Int
    /// The cluster; format 1 does not say.
    public var systemIdentifier: SystemIdentifier?
    /// WAL the backup needs, newest timeline first.
    public var walRanges: [WALRange]
    /// How many files are listed.
    public var files: UInt64

    static func broken(_ what: String) -> PgkeepError {
        PgkeepError(
            .sourceBroken,
            "the backup manifest is broken: \(what)",
            hint: "take the backup again; if it repeats, check what is between here and the server"
        )
    }
}
