/// How instances are protected: when backups are due, and how long what they make is kept.
public struct Policy: Hashable, Sendable {
    /// Points kept longer than the retention: the first of each of so many periods.
    public struct Keep: Hashable, Sendable, Codable {
        /// Days.
        public var daily: Int
        /// Weeks.
        public var weekly: Int
        /// Months.
        public var monthly: Int
        /// Years.
        public var yearly: Int

        /// None unless told.
        public init(daily: Int = 0, weekly: Int = 0, monthly: Int = 0, yearly: Int = 0) {
            self.daily = daily
            self.weekly = weekly
            self.monthly = monthly
            self.yearly = yearly
        }

        /// How many periods of a rule.
        public func count(_ rule: RetentionRule) -> Int {
            switch rule {
            case .standard: 0
            case .daily: daily
            case .weekly: weekly
            case .monthly: monthly
            case .yearly: yearly
            }
        }
    }

    /// Its name.
    public var name: PolicyName
    /// When a backup is due; nil: once a day, at a minute that differs from instance to instance.
    public var schedule: CronSchedule?
    /// The zone the schedule, the hours and the periods are meant in: `UTC`, `Europe/Berlin`.
    public var timeZone = "UTC"
    /// When backups may begin; nil: always.
    public var allowedHours: AllowedHours?
    /// A backup has the server send so many kB/s at most; nil: no limit.
    public var maxRate: Int?
    /// With more sessions at work on the server no scheduled backup begins; nil: no limit.
    public var maxLoad: Int?
    /// With a standby further behind in replaying, in seconds, none begins; nil: no limit.
    public var maxLagSeconds: Double?
    /// Every moment of so many days stays within reach.
    public var retentionDays: Int
    /// Points kept longer.
    public var keep = Keep()
    /// Points that stay in any case, the newest ones.
    public var minRedundancy = 1
    /// Named points an instance may have at once.
    public var onDemandMax = 7
    /// A restore drill is due every so many days; nil: none is.
    public var drillDays: Int?
    /// Seconds for which the vault may lack what the server has before an alert opens; nil: 300.
    public var rpoSeconds: Int?
    /// True when points may be kept longer than `standardDays`.
    public var isExtended = false

    /// `rpoSeconds` of policies that name none.
    public static let standardRPOSeconds = 300

    /// The retention a policy may have.
    public static let standardDays = 7...35
    /// The retention an extended policy may have.
    public static let extendedDays = 7...36_500

    /// A policy that keeps every moment of `retentionDays`; the rest is set afterwards.
    public init(name: PolicyName, retentionDays: Int = standardDays.lowerBound) {
        self.name = name
        self.retentionDays = retentionDays
    }

    /// The policy of instances that name no other, unless it was changed: 7 days, a backup a day.
    public static let standard = Policy(name: .standard)

    /// Throws `.usage` when a number is out of its range.
    public func validate() throws(PgkeepError) {
        let range = isExtended ? Self.extendedDays : Self.standardDays
        guard range.contains(retentionDays) else {
            throw PgkeepError(
                .usage,
                "a retention of \(retentionDays) days is out of range",
                hint: "give \(Self.standardDays.lowerBound) to \(Self.standardDays.upperBound)"
                    + " days, or more with --extended"
            )
        }
        for rule in RetentionRule.allCases {
            let count = keep.count(rule)
            guard (0...10_000).contains(count) else {
                throw Self.outOfRange("--keep-\(rule.rawValue) \(count)", "0 to 10000")
            }
            guard isExtended || count * rule.days <= Self.standardDays.upperBound else {
                throw PgkeepError(
                    .usage,
                    "--keep-\(rule.rawValue) \(count) keeps points longer than"
                        + " \(Self.standardDays.upperBound) days",
                    hint: "say that you mean it with --extended"
                )
            }
        }
        for (value, option, range) in [
            (minRedundancy, "--min-redundancy", 1...1000),
            (onDemandMax, "--on-demand-max", 0...1000),
            (drillDays ?? 1, "--drill-days", 1...365),
            // The protocol's own limits of MAX_RATE.
            (maxRate ?? 32, "--max-rate", 32...1_048_576),
            (maxLoad ?? 1, "--max-load", 1...100_000),
            (rpoSeconds ?? Self.standardRPOSeconds, "--rpo", 10...86400),
        ] where !range.contains(value) {
            throw Self.outOfRange(
                "\(option) \(value)",
                "\(range.lowerBound) to \(range.upperBound)"
            )
        }
    }

    private static func outOfRange(_ what: String, _ range: String) -> PgkeepError {
        PgkeepError(.usage, "\(what) is out of range", hint: "give a number from \(range)")
    }

    /// True when under this policy anything is kept shorter, or less of it, than under `old`.
    public func isShorter(than old: Policy) -> Bool {
        retentionDays < old.retentionDays || minRedundancy < old.minRedundancy
            || RetentionRule.allCases.contains { keep.count($0) < old.keep.count($0) }
    }

    /// Days a rule keeps a point; nil when the policy has no such rule.
    public func days(of rule: RetentionRule) -> Int? {
        guard rule != .standard else { return retentionDays }
        let count = keep.count(rule)
        return count > 0 ? count * rule.days : nil
    }
}

extension Policy: Codable {
    private enum CodingKeys: String, CodingKey {
        case name, schedule, keep
        case timeZone = "time_zone"
        case allowedHours = "allowed_hours"
        case maxRate = "max_rate"
        case maxLoad = "max_load"
        case maxLagSeconds = "max_lag_seconds"
        case retentionDays = "retention_days"
        case minRedundancy = "min_redundancy"
        case onDemandMax = "on_demand_max"
        case drillDays = "drill_days"
        case rpoSeconds = "rpo_seconds"
        case isExtended = "extended"
    }

    /// Reads it; what an older pgkeep did not write has its default.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(PolicyName.self, forKey: .name)
        retentionDays = try container.decode(Int.self, forKey: .retentionDays)
        schedule = try container.decodeIfPresent(CronSchedule.self, forKey: .schedule)
        timeZone = try container.decodeIfPresent(String.self, forKey: .timeZone) ?? timeZone
        allowedHours = try container.decodeIfPresent(AllowedHours.self, forKey: .allowedHours)
        maxRate = try container.decodeIfPresent(Int.self, forKey: .maxRate)
        maxLoad = try container.decodeIfPresent(Int.self, forKey: .maxLoad)
        maxLagSeconds = try container.decodeIfPresent(Double.self, forKey: .maxLagSeconds)
        keep = try container.decodeIfPresent(Keep.self, forKey: .keep) ?? keep
        minRedundancy =
            try container.decodeIfPresent(Int.self, forKey: .minRedundancy) ?? minRedundancy
        onDemandMax = try container.decodeIfPresent(Int.self, forKey: .onDemandMax) ?? onDemandMax
        drillDays = try container.decodeIfPresent(Int.self, forKey: .drillDays)
        rpoSeconds = try container.decodeIfPresent(Int.self, forKey: .rpoSeconds)
        isExtended = try container.decodeIfPresent(Bool.self, forKey: .isExtended) ?? isExtended
    }

    /// Writes every key, unknown values as null.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        try container.encode(schedule, forKey: .schedule)
        try container.encode(timeZone, forKey: .timeZone)
        try container.encode(allowedHours, forKey: .allowedHours)
        try container.encode(retentionDays, forKey: .retentionDays)
        try container.encode(maxRate, forKey: .maxRate)
        try container.encode(maxLoad, forKey: .maxLoad)
        try container.encode(maxLagSeconds, forKey: .maxLagSeconds)
        try container.encode(keep, forKey: .keep)
        try container.encode(minRedundancy, forKey: .minRedundancy)
        try container.encode(onDemandMax, forKey: .onDemandMax)
        try container.encode(drillDays, forKey: .drillDays)
        try container.encode(rpoSeconds, forKey: .rpoSeconds)
        try container.encode(isExtended, forKey: .isExtended)
    }
}
