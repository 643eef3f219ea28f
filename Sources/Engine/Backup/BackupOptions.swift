public import Domain

/// How a backup is to be taken.
public struct BackupOptions: Sendable {
    /// Why it is taken.
    public var trigger: RecoveryPoint.Trigger
    /// Stands in backup_label and in the server's progress view.
    public var label: String
    /// The operator's own words, kept with the point.
    public var note: String
    /// The name of the point, unique among the instance's; nil: none.
    public var name: String?
    /// Keep the point at least until then.
    public var keepUntil: Timestamp?
    /// Keep the point as long as this rule of the policy says; nil: as its retention says.
    public var rule: RetentionRule?
    /// Have the server checkpoint at once instead of at its leisure.
    public var fastCheckpoint: Bool
    /// Limit of the server's sending in kB/s; nil is none.
    public var maxRate: Int?
    /// Threads that compress and seal.
    public var workers: Int
    /// Packs of which less than this many percent is in use are emptied bit by bit; 0: none is.
    public var evacuateBelow: Int {
        get { Int((evacuation.threshold * 100).rounded()) }
        set { evacuation.threshold = Double(min(max(newValue, 0), Self.evacuateBelowMax)) / 100 }
    }
    /// When packs are emptied, and how much of that one backup does.
    package var evacuation = Evacuation.Policy()
    /// Have the server send every page, even where it could send changed blocks only.
    public var fullStream = false

    /// The highest `evacuateBelow`: beyond it more is copied than is ever given back.
    public static let evacuateBelowMax = 80
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
    /// What would make the next ones cheaper.
    public var hints: [String] = []

    package init(point: RecoveryPoint, warnings: [String], hints: [String] = []) {
        self.point = point
        self.warnings = warnings
        self.hints = hints
    }
}
