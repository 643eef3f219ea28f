public import Domain

/// What was due for an instance, and what became of it.
public struct DueEntry: Sendable, Encodable {
    /// How it went.
    public enum Outcome: String, Sendable, Encodable {
        /// A backup was taken.
        case completed
        /// A backup was tried and failed; there will be another try.
        case failed
        /// A backup was due and not begun; `skipReason` says why.
        case skipped
        /// The operator ended the backup.
        case cancelled
        /// Another process is at this instance's due work.
        case busy
        /// The last try failed, and the next one is not due yet.
        case waiting
        /// Nothing was due.
        case notDue = "not-due"
        /// The instance is not being protected at present.
        case stopped
    }

    /// The instance.
    public var instance: InstanceName
    /// How it went.
    public var outcome: Outcome
    /// The moment it was due.
    public var slot: Timestamp?
    /// The point that was made.
    public var point: RecoveryPoint?
    /// Why nothing was begun: `server-stopped`, `no-change`, `busy`, `outside-hours`,
    /// `source-busy`.
    public var skipReason: String?
    /// When something is due next, as far as that is known.
    public var nextAt: Timestamp?
    /// What went wrong.
    public var error: PgkeepError?
    /// What the operator should know of the backup.
    public var warnings: [String] = []
    /// True when this run did something, or put a reason on record, that no earlier one had.
    public var isNews = false

    init(_ instance: InstanceName, _ outcome: Outcome) {
        self.instance = instance
        self.outcome = outcome
    }

    private enum CodingKeys: String, CodingKey {
        case instance, outcome, slot, point, error, warnings
        case skipReason = "skip_reason"
        case nextAt = "next_at"
    }

    private enum ErrorKeys: String, CodingKey { case code, message, hint }

    /// Writes every key, unknown values as null.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(instance, forKey: .instance)
        try container.encode(outcome, forKey: .outcome)
        try container.encode(slot, forKey: .slot)
        try container.encode(point, forKey: .point)
        try container.encode(skipReason, forKey: .skipReason)
        try container.encode(nextAt, forKey: .nextAt)
        try container.encode(warnings, forKey: .warnings)
        guard let error else { return try container.encodeNil(forKey: .error) }
        var details = container.nestedContainer(keyedBy: ErrorKeys.self, forKey: .error)
        try details.encode(error.code.name, forKey: .code)
        try details.encode(Redaction.withoutPasswords("\(error)"), forKey: .message)
        try details.encode(error.hint, forKey: .hint)
    }
}

/// How due work is done.
public struct DueOptions: Sendable {
    /// How backups are taken; the trigger is set by what is due.
    public var backup = BackupOptions(trigger: .scheduled)
    /// Begin up to so many seconds behind the schedule, each instance at its own moment.
    public var jitterSeconds = 0
    /// Sessions at work on the server from which on no scheduled backup begins; nil: as the policy
    /// says.
    public var maxLoad: Int?
    /// Seconds a standby may be behind in replaying for a scheduled backup to begin; nil: as the
    /// policy says.
    public var maxLagSeconds: Double?
    /// Take a backup although nothing has changed since the last one.
    public var evenIfUnchanged = false

    /// The highest `jitterSeconds`.
    public static let jitterSecondsMax = 6 * 3600

    /// The defaults.
    public init() {}
}
