/// What lies beyond a quota, and what it costs a month: the bill a managed service would write.
///
/// A unit is 1 GiB kept for one month, as those services count.
public struct StorageCost: Hashable, Sendable, Encodable {
    /// Bytes in use.
    public var usedBytes: UInt64
    /// Bytes that cost nothing.
    public var quotaBytes: UInt64
    /// The price of a GiB for a month; nil when nobody said.
    public var price: Double?

    private static let unit = Double(UInt64(1) << 30)

    /// The cost of keeping `usedBytes` for a month.
    public init(usedBytes: UInt64, quotaBytes: UInt64, price: Double? = nil) {
        self.usedBytes = usedBytes
        self.quotaBytes = quotaBytes
        self.price = price
    }

    /// Bytes beyond the quota.
    public var excessBytes: UInt64 { usedBytes - min(usedBytes, quotaBytes) }

    /// True when the quota is passed.
    public var isExceeded: Bool { usedBytes > quotaBytes }

    /// GiB beyond the quota, each kept for a month.
    public var excessUnits: Double { Double(excessBytes) / Self.unit }

    /// What a month costs, in the price's currency; nil without a price.
    public var perMonth: Double? { price.map { $0 * excessUnits } }

    private enum CodingKeys: String, CodingKey {
        case usedBytes = "used_bytes"
        case quotaBytes = "quota_bytes"
        case excessBytes = "excess_bytes"
        case excessUnits = "excess_gib_months"
        case price = "price_per_gib_month"
        case perMonth = "cost_per_month"
    }

    /// Writes every key, unknown values as null.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(usedBytes, forKey: .usedBytes)
        try container.encode(quotaBytes, forKey: .quotaBytes)
        try container.encode(excessBytes, forKey: .excessBytes)
        try container.encode(excessUnits, forKey: .excessUnits)
        try container.encode(price, forKey: .price)
        try container.encode(perMonth, forKey: .perMonth)
    }
}
