public import Domain

/// How a backup is to be taken.
public struct BackupOptions: Sendable {
    /// Why it is taken.
    public var trigger: RecoveryPoint.Trigger
    /// Stands in backup_label and in the server's progress view.
    public var label: String
    /// The operator's own words, kept with the point.
    public var note: String
    /// Have the server checkpoint at once instead of at its leisure.
    public var fastCheckpoint: Bool
    /// Limit of the server's sending in kB/s; nil is none.
    public var maxRate: Int?
    /// Threads that compress and seal.
    public var workers: Int

    /// Threads used unless told otherwise.
    public static let workersDefault = 2
    /// More threads than this only wait for the server.
    public static let workersMax = 16

    /// Options of a backup.
    public init(
        trigger: RecoveryPoint.Trigger = .manual,
        label: String = "pgkeep",
        note: String = "",
        fastCheckpoint: Bool = true,
        maxRate: Int? = nil,
        workers: Int = workersDefault
    ) {
        self.trigger = trigger
        self.label = label
        self.note = note
        self.fastCheckpoint = fastCheckpoint
        self.maxRate = maxRate
        self.workers = min(max(workers, 1), Self.workersMax)
    }
}

/// What a backup made.
public struct BackupResult: Sendable {
    /// The point, visible and durable.
    public var point: RecoveryPoint
    /// What the operator should know: damaged pages, files that could not be captured.
    public var warnings: [String]
}
