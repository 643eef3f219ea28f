/// What decided how long a point is kept; the later ones are the higher ones.
public enum RetentionRule: String, Hashable, Sendable, Codable, CaseIterable, Comparable {
    /// The policy's retention.
    case standard = "default"
    /// The first point of a day.
    case daily
    /// The first point of a week, from Monday on.
    case weekly
    /// The first point of a month.
    case monthly
    /// The first point of a year.
    case yearly

    /// Days one unit of the rule stands for: as long as the longest there is.
    public var days: Int {
        switch self {
        case .standard, .daily: 1
        case .weekly: 7
        case .monthly: 31
        case .yearly: 366
        }
    }

    /// The number of the period a time belongs to.
    func period(of time: LocalTime) -> Int64 {
        switch self {
        case .standard, .daily: time.day
        case .weekly: time.week
        case .monthly: time.date.year * 12 + time.date.month
        case .yearly: time.date.year
        }
    }

    /// Orders from the lowest to the highest.
    public static func < (left: RetentionRule, right: RetentionRule) -> Bool {
        left.rank < right.rank
    }

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// What a point keeps of the policy it was made under; changing the policy does not change it.
public struct PolicyStamp: Hashable, Sendable, Codable {
    /// The policy's name.
    public var name: PolicyName
    /// The policy's revision; 0 for the one that is built in.
    public var revision: UInt64
    /// The policy's retention then.
    public var retentionDays: Int
    /// The rule that decided.
    public var rule: RetentionRule

    enum CodingKeys: String, CodingKey {
        case name, revision, rule
        case retentionDays = "retention_days"
    }

    /// A stamp.
    public init(
        name: PolicyName,
        revision: UInt64,
        retentionDays: Int,
        rule: RetentionRule = .standard
    ) {
        self.name = name
        self.revision = revision
        self.retentionDays = retentionDays
        self.rule = rule
    }
}
