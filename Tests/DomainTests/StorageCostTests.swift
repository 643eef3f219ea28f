import Domain
import TestSupport
import Testing

/// The arithmetic of quotas, costs and forecasts.
struct StorageCostTests {
    private static let unit: UInt64 = 1 << 30

    @Test func `row 26: the quota is the source's size unless it is set`() {
        #expect(StorageQuota.standard.bytes(ofSource: 12345) == 12345)
        #expect(StorageQuota.percent(150).bytes(ofSource: 1000) == 1500)
        #expect(StorageQuota.bytes(7).bytes(ofSource: 1000) == 7)
        for quota in [StorageQuota.standard, .percent(33), .bytes(0), .bytes(1 << 40)] {
            #expect(StorageQuota(quota.description) == quota)
        }
        for text in ["", "%", "0%", "100001%", "-1", "1.5", "x", "10 %"] {
            #expect(StorageQuota(text) == nil)
        }
    }

    @Test func `row 27: only what lies beyond the quota costs, by GiB and month`() {
        let within = StorageCost(usedBytes: 99, quotaBytes: 100, price: 0.1)
        #expect(within.excessBytes == 0 && within.perMonth == 0 && !within.isExceeded)
        let exact = StorageCost(usedBytes: 100, quotaBytes: 100, price: 0.1)
        #expect(!exact.isExceeded && exact.excessUnits == 0)
        let beyond = StorageCost(
            usedBytes: 350 * Self.unit,
            quotaBytes: 250 * Self.unit,
            price: 0.1
        )
        #expect(beyond.excessUnits == 100)
        #expect(beyond.perMonth.map { abs($0 - 10) < 1e-9 } == true)
        #expect(StorageCost(usedBytes: 9, quotaBytes: 1).perMonth == nil)
    }

    @Test func `row 28: 250 GiB hold ten days of 25 GiB`() {
        let forecast = StorageForecast(
            baseBytes: 0,
            bytesPerDay: 25 * Self.unit,
            quotaBytes: 250 * Self.unit
        )
        #expect(forecast.freeDays == 10)
        #expect(forecast.bytes(retentionDays: 10, copies: 1) == 250 * Self.unit)
    }

    @Test func `row 31: a policy that keeps more never takes less`() {
        var random = SeededRandom(stream: "forecast by policy")
        for _ in 0..<2000 {
            let forecast = StorageForecast(
                baseBytes: UInt64.random(in: 0...1 << 40, using: &random),
                bytesPerDay: UInt64.random(in: 0...1 << 36, using: &random),
                quotaBytes: 1
            )
            let backups = UInt64.random(in: 0...1 << 36, using: &random)
            func bytes(_ days: Int, _ counts: [Int], _ copies: Int) -> UInt64 {
                forecast.bytes(
                    retentionDays: days,
                    keep: Policy.Keep(
                        daily: counts[0],
                        weekly: counts[1],
                        monthly: counts[2],
                        yearly: counts[3]
                    ),
                    backupBytesPerDay: backups,
                    copies: copies
                )
            }
            let days = Int.random(in: 1...400, using: &random)
            let counts = (0..<4).map { _ in Int.random(in: 0...60, using: &random) }
            let copies = Int.random(in: 1...5, using: &random)
            let known = bytes(days, counts, copies)
            // Rounding to whole bytes may take one away.
            #expect(known >= forecast.bytes(retentionDays: days, copies: copies))
            #expect(bytes(days + 1, counts, copies) + 1 >= known)
            #expect(bytes(days, counts, copies + 1) + 1 >= known)
            for rule in 0..<4 {
                var more = counts
                more[rule] += 1
                #expect(bytes(days, more, copies) + 1 >= known)
            }
        }
    }

    @Test func `row 31: months of a policy count once, weeks within the retention not at all`() {
        let forecast = StorageForecast(baseBytes: 1000, bytesPerDay: 20, quotaBytes: 1)
        func bytes(_ keep: Policy.Keep, backups: UInt64 = 10) -> UInt64 {
            forecast.bytes(retentionDays: 31, keep: keep, backupBytesPerDay: backups, copies: 1)
        }
        let plain = bytes(Policy.Keep())
        #expect(plain == 1000 + 31 * 20)
        #expect(bytes(Policy.Keep(weekly: 4)) == plain)
        // Two months, one of them in the retention: 31 days of changes.
        #expect(bytes(Policy.Keep(monthly: 2)) == plain + 310)
        // However much changes, a point is at most as large as a backup by itself.
        #expect(bytes(Policy.Keep(monthly: 2), backups: 20) == plain + 620)
        #expect(bytes(Policy.Keep(yearly: 1)) == plain + 915)
    }

    @Test func `row 31: longer retention and more copies never take less`() {
        var random = SeededRandom(stream: "forecast")
        for _ in 0..<500 {
            let forecast = StorageForecast(
                baseBytes: UInt64.random(in: 0...UInt64.max >> 20, using: &random),
                bytesPerDay: UInt64.random(in: 0...UInt64.max >> 12, using: &random),
                quotaBytes: 1
            )
            let days = Int.random(in: 0...4000, using: &random)
            let copies = Int.random(in: 1...20, using: &random)
            let bytes = forecast.bytes(retentionDays: days, copies: copies)
            #expect(forecast.bytes(retentionDays: days + 1, copies: copies) >= bytes)
            #expect(forecast.bytes(retentionDays: days, copies: copies + 1) >= bytes)
        }
        let nothing = StorageForecast(baseBytes: 1, bytesPerDay: 0, quotaBytes: 1)
        #expect(nothing.freeDays == nil)
    }
}
