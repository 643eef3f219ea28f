public import Domain

/// What each instance would take for a retention and a number of copies, and how long the vault's
/// storage lasts.
public struct ForecastReport: Sendable, Encodable {
    /// One instance.
    public struct Instance: Sendable, Encodable {
        /// Its name.
        public var name: String
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
            case name, bytes, cost
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
            baseBytes = forecast.baseBytes
            growthPerDay = forecast.bytesPerDay
            bytes = forecast.bytes(retentionDays: retentionDays, copies: copies)
            freeDays = forecast.freeDays
            cost = StorageCost(usedBytes: bytes, quotaBytes: forecast.quotaBytes, price: price)
        }
    }

    /// Days of history.
    public var retentionDays: Int
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

    enum CodingKeys: String, CodingKey {
        case copies, instances
        case retentionDays = "retention_days"
        case totalBytes = "total_bytes"
        case freeBytes = "free_bytes"
        case daysLeft = "days_left"
    }

    /// Puts together what single forecasts come to.
    public init(
        _ instances: [Instance],
        retentionDays: Int,
        copies: Int,
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
    }

    /// Forecasts what the instances of a vault will take, from what they take now.
    ///
    /// - Parameter name: only this instance; `.notFound` when the vault holds nothing of it.
    public static func read(
        _ context: JobContext,
        instance name: InstanceName?,
        retentionDays: Int,
        copies: Int,
        price: Double?
    ) throws -> ForecastReport {
        if let name { _ = try Instances.find(context, name) }
        let usage = try UsageReport.read(context, price: price)
        let wanted = usage.instances.filter { name == nil || $0.name == name?.description }
        return ForecastReport(
            wanted.map {
                Instance(
                    name: $0.name,
                    StorageForecast(
                        baseBytes: $0.newestPointBytes,
                        bytesPerDay: $0.growthPerDay,
                        quotaBytes: $0.cost.quotaBytes
                    ),
                    retentionDays: retentionDays,
                    copies: copies,
                    price: price
                )
            },
            retentionDays: retentionDays,
            copies: copies,
            freeBytes: usage.freeBytes
        )
    }
}
