public import Domain

/// Which replication commands a server of some version understands.
extension ServerVersion {
    /// The oldest major version that is supported.
    public static let oldestSupported = 13

    /// One COPY with type bytes for the whole backup, and options in parentheses (15 and later).
    package var hasFramedBackups: Bool { major >= 15 }

    /// UPLOAD_MANIFEST and incremental base backups exist (17 and later).
    public var hasIncrementalBackups: Bool { major >= 17 }

    /// READ_REPLICATION_SLOT exists (15 and later).
    package var readsSlots: Bool { major >= 15 }
}
