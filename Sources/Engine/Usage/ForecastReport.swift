public import Domain
import Vaulting

/// What each instance would take for a retention, or under a policy, and a number of copies, and
/// how long the vault's storage lasts.
public struct ForecastReport: Sendable, Encodable {
    /// One instance.
    public struct Instance: Sendable, Encodable {
        /// Its name.
        public var name: String
        /// The policy it is reckoned with; nil for a bare retention.
        public var policy: PolicyName?
        /// Days of history in full.
        public var retentionDays: Int
        /// Bytes one backup of it takes by itself.
        public var baseBytes: UInt64
        /// Bytes later backups and WAL add in a day.
        public var growthPerDay: UInt64
        /// Bytes it will take.
        public var bytes: UInt64
        /// How many days of additions its quota holds; nil when nothing is added.
        public var freeDays: UInt64?
        /// What lies beyond the quota, and what that costs.
        public var cost: StorageCost

        enum CodingKeys: String, CodingKey {
            case name, policy, bytes, cost
            case retentionDays = "retention_days"
            case baseBytes = "base_bytes"
            case growthPerDay = "growth_per_day"
            case freeDays = "free_days"
        }

        /// Forecasts from figures.
        public init(
            name: String,
            _ forecast: StorageForecast,
            retentionDays: Int,
            copies: Int,
            price: Double?
        ) {
            self.name = name
            self.retentionDays = retentionDays
            baseBytes = forecast.baseBytes
            growthPerDay = forecast.bytesPerDay
            bytes = forecast.bytes(retentionDays: retentionDays, copies: copies)
            freeDays = forecast.freeDays
            cost = StorageCost(usedBytes: bytes, quotaBytes: forecast.quotaBytes, price: price)
        }

        /// Forecasts what an instance will take in the end under `policy`.
        init(_ usage: UsageReport.Instance, _ policy: Policy, copies: Int, price: Double?) {
            let forecast = StorageForecast(usage)
            self.init(
                name: usage.name,
                forecast,
                retentionDays: policy.retentionDays,
                copies: copies,
                price: price
            )
            self.policy = policy.name
            bytes = forecast.bytes(
                retentionDays: policy.retentionDays,
                keep: policy.keep,
                backupBytesPerDay: usage.backupGrowthPerDay,
                copies: copies
            )
            cost = StorageCost(usedBytes: bytes, quotaBytes: forecast.quotaBytes, price: price)
        }

        /// Writes every key, unknown values as null.
        public func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(name, forKey: .name)
            try container.encode(policy, forKey: .policy)
            try container.encode(retentionDays, forKey: .retentionDays)
            try container.encode(baseBytes, forKey: .baseBytes)
            try container.encode(growthPerDay, forKey: .growthPerDay)
            try container.encode(bytes, forKey: .bytes)
            try container.encode(freeDays, forKey: .freeDays)
            try container.encode(cost, forKey: .cost)
        }
    }

    /// Days of history; nil when each instance has those of a policy.
    public var retentionDays: Int?
    /// Copies of the vault.
    public var copies: Int
    /// By name.
    public var instances: [Instance]
    /// Bytes in all.
    public var totalBytes: UInt64
    /// Bytes the vault's storage still has; nil when it cannot say.
    public var freeBytes: UInt64?
    /// Days until it is full if nothing is let go; nil when nothing grows or it cannot say.
    public var daysLeft: UInt64?
    /// True when one copy finds room in the vault's storage in the end; nil when it cannot say.
    public var fits: Bool?

    enum CodingKeys: String, CodingKey {
        case copies, instances, fits
        case retentionDays = "retention_days"
        case totalBytes = "total_bytes"
        case freeBytes = "free_bytes"
        case daysLeft = "days_left"
    }

    /// Puts together what single forecasts come to.
    ///
    /// - Parameter usedBytes: what these instances take in the vault now.
    public init(
        _ instances: [Instance],
        retentionDays: Int?,
        copies: Int,
        usedBytes: UInt64 = 0,
        freeBytes: UInt64? = nil
    ) {
        self.instances = instances
        self.retentionDays = retentionDays
        self.copies = copies
        self.freeBytes = freeBytes
        totalBytes = instances.reduce(0) { sum, instance in
            let (total, overflow) = sum.addingReportingOverflow(instance.bytes)
            return overflow ? .max : total
        }
        let growth = instances.reduce(0) { $0 + $1.growthPerDay }
        daysLeft = growth > 0 ? freeBytes.map { $0 / growth } : nil
        let oneCopy = totalBytes / UInt64(max(copies, 1))
        fits = freeBytes.map { oneCopy <= usedBytes || oneCopy - usedBytes <= $0 }
    }

    /// What is to be reckoned with.
    public enum Terms: Sendable {
        /// So many days for every instance.
        case retention(days: Int)
        /// One policy for every instance.
        case policy(PolicyName)
        /// The policy each instance has.
        case ownPolicies
    }

    /// Forecasts what the instances of a vault will take, from what they take now.
    ///
    /// - Parameter name: only this instance; `.notFound` when the vault holds nothing of it.
    public static func read(
        _ context: JobContext,
        instance name: InstanceName?,
        terms: Terms,
        copies: Int,
        price: Double?
    ) throws -> ForecastReport {
        if let name { _ = try Instances.find(context, name) }
        var common: Policy?
        if case .policy(let wanted) = terms { common = try Policies.find(context, wanted) }
        let records = try Instances.all(context)
        let usage = try UsageReport.read(context, price: price)
        let wanted = usage.instances.filter { name == nil || $0.name == name?.description }
        var retention: Int?
        let instances = try wanted.map { usage in
            if case .retention(let days) = terms {
                retention = days
                return Instance(
                    name: usage.name,
                    StorageForecast(usage),
                    retentionDays: days,
                    copies: copies,
                    price: price
                )
            }
            // What no record names any more follows nobody's policy but the built-in one.
            let record = records.first { $0.systemIdentifier == usage.systemIdentifier }
            let own = try record.map { try Policies.of(context, $0) } ?? .standard
            return Instance(usage, common ?? own, copies: copies, price: price)
        }
        return ForecastReport(
            instances,
            retentionDays: retention ?? common?.retentionDays,
            copies: copies,
            usedBytes: wanted.reduce(0) { $0 + $1.totalBytes },
            freeBytes: usage.freeBytes
        )
    }

    /// Writes every key, unknown values as null.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(retentionDays, forKey: .retentionDays)
        try container.encode(copies, forKey: .copies)
        try container.encode(instances, forKey: .instances)
        try container.encode(totalBytes, forKey: .totalBytes)
        try container.encode(freeBytes, forKey: .freeBytes)
        try container.encode(daysLeft, forKey: .daysLeft)
        try container.encode(fits, forKey: .fits)
    }
}

extension StorageForecast {
    /// What an instance's use so far lets expect.
    init(_ usage: UsageReport.Instance) {
        self.init(
            baseBytes: usage.newestPointBytes,
            bytesPerDay: usage.growthPerDay,
            quotaBytes: usage.cost.quotaBytes
        )
    }
}
