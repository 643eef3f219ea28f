import Domain
import Engine

/// Quotas and costs in words.
enum UsageText {
    /// A line for each instance: what its quota is and whether it is passed.
    static func quotas(_ usage: UsageReport) -> [String] {
        var table = Table(["QUOTA OF", "IS", "BYTES", "USED", "BEYOND", "GIB-MONTHS", "COSTS"])
        for instance in usage.instances {
            let cost = instance.cost
            table.add([
                instance.name, share(instance.quota), Wording.bytes(cost.quotaBytes),
                Wording.bytes(cost.usedBytes), beyond(cost), decimal(cost.excessUnits),
                price(cost),
            ])
        }
        return usage.instances.isEmpty ? [] : table.lines
    }

    /// The quota as it was given.
    static func share(_ quota: StorageQuota) -> String {
        switch quota {
        case .percent(let share): "\(share)% of the source"
        case .bytes(let bytes): Wording.bytes(bytes)
        }
    }

    /// What lies beyond a quota.
    static func beyond(_ cost: StorageCost) -> String {
        cost.isExceeded ? Wording.bytes(cost.excessBytes) : "nothing"
    }

    /// What a month costs; empty without a price.
    static func price(_ cost: StorageCost) -> String {
        cost.perMonth.map { decimal($0) + " a month" } ?? ""
    }

    /// Two digits after the point.
    private static func decimal(_ value: Double) -> String {
        let cents = UInt64((min(max(value, 0), 1e15) * 100).rounded())
        return "\(cents / 100).\(cents % 100 / 10)\(cents % 10)"
    }
}
