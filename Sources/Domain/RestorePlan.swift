/// What a restore to a target will do, or why it cannot be done.
public struct RestorePlan: Sendable {
    /// A setting of the recovery, as postgresql.auto.conf takes it (unquoted).
    public struct Setting: Hashable, Sendable {
        /// For example `recovery_target_time`.
        public var name: String
        /// For example `2026-03-14 15:09:26.000000+00`.
        public var value: String

        /// A setting.
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// The instance.
    public var instance: InstanceName
    /// What was asked for.
    public var spec: RecoveryTargetSpec
    /// The point to start from: nil only when unreachable.
    public var point: RecoveryPoint?
    /// Whether the target can be met with what the vault holds.
    public var isReachable: Bool
    /// One line: how it is met, or why not.
    public var reason: String
    /// The timeline replay ends on.
    public var timeline: TimelineID?
    /// The WAL needed, in order; each segment under the timeline whose copy PostgreSQL asks for.
    public var segments: [WALSegment] = []
    /// The time of the last commit that will be there, or the point's own time when none follows
    /// it.
    public var effectiveTime: Timestamp?
    /// Where replay stops.
    public var effectiveLSN: LSN?
    /// `recovery_target_*` settings to write, without the timeline: none when everything archived
    /// is replayed.
    public var settings: [Setting] = []
    /// The value of `recovery_target_timeline`, which is always to be written: a number, or
    /// `current` where the timeline's history file is not in the archive.
    public var targetTimeline = ""
    /// The server settings replay needs at least as high.
    public var floor = SettingsFloor()
    /// Tablespaces that replay may make anew, in the very places the source has them.
    public var createdTablespaces: [WALSummary.CreatedTablespace] = []
    /// Bytes of data files to write.
    public var baseBytes: UInt64 = 0
    /// Bytes of WAL to replay.
    public var walBytes: UInt64 = 0
    /// How long it may take.
    public var eta: RestoreRates.Estimate?
    /// What the operator should know before starting, one line each.
    public var warnings: [String] = []
    /// The last moment before the target that can be restored.
    public var lastReachableTime: Timestamp?
    /// The position of that moment.
    public var lastReachableLSN: LSN?
    /// The first moment after the target that can be restored.
    public var nextReachableTime: Timestamp?
    /// The whole window, for messages.
    public var window: RecoveryWindow
    /// The code an unreachable target ends with.
    var code = ErrorCode.outsideWindow

    init(
        instance: InstanceName,
        spec: RecoveryTargetSpec,
        point: RecoveryPoint?,
        isReachable: Bool,
        reason: String,
        window: RecoveryWindow
    ) {
        self.instance = instance
        self.spec = spec
        self.point = point
        self.isReachable = isReachable
        self.reason = reason
        self.window = window
    }

    /// The error an unreachable target ends with; nil when it is reachable.
    public var error: PgkeepError? {
        guard !isReachable else { return nil }
        var hints: [String] = []
        if let lastReachableTime, let lastReachableLSN {
            hints.append("the last reachable moment is \(lastReachableTime) at \(lastReachableLSN)")
        }
        if let nextReachableTime { hints.append("the next one is \(nextReachableTime)") }
        hints.append("the recovery window is \(window.summary)")
        return PgkeepError(code, reason, hint: hints.joined(separator: "; "))
    }
}

extension RestorePlan: Encodable {
    private enum CodingKeys: String, CodingKey {
        case instance, target, point, reachable, reason, timeline, warnings
        case effectiveTime = "effective_time"
        case effectiveLSN = "effective_lsn"
        case baseBytes = "base_bytes"
        case walBytes = "wal_bytes"
        case walSegments = "wal_segments"
        case eta = "eta_seconds"
        case lastReachableTime = "last_reachable_time"
        case lastReachableLSN = "last_reachable_lsn"
        case nextReachableTime = "next_reachable_time"
    }

    /// design.md's `restore plan`, with the neighbours of an unreachable target behind it.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(instance, forKey: .instance)
        try container.encode(spec, forKey: .target)
        try container.encode(point?.id, forKey: .point)
        try container.encode(isReachable, forKey: .reachable)
        try container.encode(reason, forKey: .reason)
        try container.encode(timeline, forKey: .timeline)
        try container.encode(effectiveTime, forKey: .effectiveTime)
        try container.encode(effectiveLSN, forKey: .effectiveLSN)
        try container.encode(baseBytes, forKey: .baseBytes)
        try container.encode(walBytes, forKey: .walBytes)
        try container.encode(segments.count, forKey: .walSegments)
        try container.encode(eta, forKey: .eta)
        try container.encode(warnings, forKey: .warnings)
        try container.encode(lastReachableTime, forKey: .lastReachableTime)
        try container.encode(lastReachableLSN, forKey: .lastReachableLSN)
        try container.encode(nextReachableTime, forKey: .nextReachableTime)
    }
}
