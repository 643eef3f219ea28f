public import Domain

/// What a backup needs to know of a server: read once, before any work begins.
public struct ServerProfile: Hashable, Sendable {
    /// Its version.
    public var version: ServerVersion
    /// Who it is and how far its WAL goes.
    public var identity: SystemIdentity
    /// True for a standby.
    public var isInRecovery: Bool
    /// Its WAL segments.
    public var segmentSize: WALSegmentSize
    /// Bytes of a page; always 8192 in a supported server.
    public var blockSize: Int
    /// True when pages carry checksums.
    public var hasDataChecksums: Bool
    /// `minimal`, `replica` or `logical`.
    public var walLevel: String
    /// True when the server keeps summaries of changed blocks (17 and later).
    public var summarizesWAL: Bool
    /// False makes backups from a standby fail.
    public var fullPageWrites: Bool
    /// `off`, `on` or `always`.
    public var archiveMode: String
    /// Permission bits of the data directory.
    public var dataDirectoryMode: UInt32
    /// After how much WAL a slot is lost; nil is never.
    public var maxSlotWALKeepBytes: UInt64?
    /// Seconds after which the server drops a silent receiver; nil is never.
    public var walSenderTimeout: Double?
    /// What synchronous commits wait for.
    public var synchronousStandbyNames: String
    /// The settings a restored copy needs at least as high.
    public var recoveryFloor: SettingsFloor
    /// What `restoredCopyMark` says: of whom the server is a copy; nil when it is none.
    public var restoredCopy: String?
    /// True when the role is a superuser.
    public var isSuperuser: Bool

    /// The setting a restore leaves in a copy, so that nobody takes the copy for the original: they
    /// have the same system identifier, and both may go on under the same timeline's number.
    public static let restoredCopyMark = "pgkeep.restored_copy"

    /// The line that makes a copy an original.
    public static let restoredCopyFix =
        "if it now takes the original's place for good, run on it: ALTER SYSTEM RESET"
        + " \(restoredCopyMark); SELECT pg_reload_conf();"

    /// Reads the profile over a replication connection.
    public init(_ connection: Connection) throws(PgkeepError) {
        func show(_ name: String) throws(PgkeepError) -> String {
            try connection.setting(name) ?? ""
        }
        version = connection.serverVersion
        identity = try connection.identifySystem()
        guard let bytes = SettingValue.bytes(try show("wal_segment_size")),
            let size = WALSegmentSize(bytes: bytes)
        else {
            throw PgkeepError(
                .sourceUnsupported,
                "the server's wal_segment_size cannot be read",
                hint: "use a PostgreSQL server of version 13 to 18"
            )
        }
        segmentSize = size
        blockSize = Int(try show("block_size")) ?? 0
        hasDataChecksums = SettingValue.isOn(try show("data_checksums"))
        walLevel = try show("wal_level")
        summarizesWAL = SettingValue.isOn(try connection.setting("summarize_wal"))
        fullPageWrites = SettingValue.isOn(try show("full_page_writes"))
        archiveMode = try show("archive_mode")
        dataDirectoryMode = UInt32(try show("data_directory_mode"), radix: 8) ?? 0o700
        maxSlotWALKeepBytes = SettingValue.bytes(try show("max_slot_wal_keep_size"))
        walSenderTimeout = SettingValue.seconds(try show("wal_sender_timeout"))
            .flatMap { $0 > 0 ? $0 : nil }
        synchronousStandbyNames = try show("synchronous_standby_names")
        recoveryFloor = SettingsFloor(
            maxConnections: Int32(try show("max_connections")) ?? 0,
            maxWorkerProcesses: Int32(try show("max_worker_processes")) ?? 0,
            maxWALSenders: Int32(try show("max_wal_senders")) ?? 0,
            maxPreparedTransactions: Int32(try show("max_prepared_transactions")) ?? 0,
            maxLocksPerTransaction: Int32(try show("max_locks_per_transaction")) ?? 0
        )
        restoredCopy = try connection.restoredCopy()
        isInRecovery = try connection.isInRecovery()
        isSuperuser = SettingValue.isOn(connection.parameter("is_superuser"))
    }

    /// The files of the data directory and WAL segments use this mode.
    public var fileMode: UInt32 { dataDirectoryMode & 0o666 }
}

extension Connection {
    /// True for a standby.
    public func isInRecovery() throws(PgkeepError) -> Bool {
        // Told unasked from 14 on; before, recovery is what makes every transaction read-only.
        if let standby = parameter("in_hot_standby") { return SettingValue.isOn(standby) }
        return SettingValue.isOn(try setting("transaction_read_only"))
    }

    /// Of whom the server is a restored copy; nil when it is none or was made an original.
    public func restoredCopy() throws(PgkeepError) -> String? {
        let mark = try setting(ServerProfile.restoredCopyMark)
        return mark == "" ? nil : mark
    }
}
