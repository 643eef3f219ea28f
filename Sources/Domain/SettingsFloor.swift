/// The server settings that recovery needs at least as high as the source had them.
///
/// Replay stops with FATAL "insufficient parameter settings" below any of them (protocol.md §6.6).
public struct SettingsFloor: Hashable, Sendable, Codable {
    /// `max_connections`.
    public var maxConnections: Int32
    /// `max_worker_processes`.
    public var maxWorkerProcesses: Int32
    /// `max_wal_senders`.
    public var maxWALSenders: Int32
    /// `max_prepared_transactions`.
    public var maxPreparedTransactions: Int32
    /// `max_locks_per_transaction`.
    public var maxLocksPerTransaction: Int32

    /// The settings of one moment.
    public init(
        maxConnections: Int32 = 0,
        maxWorkerProcesses: Int32 = 0,
        maxWALSenders: Int32 = 0,
        maxPreparedTransactions: Int32 = 0,
        maxLocksPerTransaction: Int32 = 0
    ) {
        self.maxConnections = maxConnections
        self.maxWorkerProcesses = maxWorkerProcesses
        self.maxWALSenders = maxWALSenders
        self.maxPreparedTransactions = maxPreparedTransactions
        self.maxLocksPerTransaction = maxLocksPerTransaction
    }

    /// The higher of each setting: what replaying both moments needs.
    public func raised(to other: SettingsFloor?) -> SettingsFloor {
        guard let other else { return self }
        return SettingsFloor(
            maxConnections: max(maxConnections, other.maxConnections),
            maxWorkerProcesses: max(maxWorkerProcesses, other.maxWorkerProcesses),
            maxWALSenders: max(maxWALSenders, other.maxWALSenders),
            maxPreparedTransactions: max(maxPreparedTransactions, other.maxPreparedTransactions),
            maxLocksPerTransaction: max(maxLocksPerTransaction, other.maxLocksPerTransaction)
        )
    }

    /// Names and values as postgresql.conf writes them.
    public var settings: [(name: String, value: Int32)] {
        [
            ("max_connections", maxConnections),
            ("max_worker_processes", maxWorkerProcesses),
            ("max_wal_senders", maxWALSenders),
            ("max_prepared_transactions", maxPreparedTransactions),
            ("max_locks_per_transaction", maxLocksPerTransaction),
        ]
    }

    private enum CodingKeys: String, CodingKey {
        case maxConnections = "max_connections"
        case maxWorkerProcesses = "max_worker_processes"
        case maxWALSenders = "max_wal_senders"
        case maxPreparedTransactions = "max_prepared_transactions"
        case maxLocksPerTransaction = "max_locks_per_transaction"
    }
}
