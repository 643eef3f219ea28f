import Domain
import Testing

/// Which server is taken, and what a slot may keep there.
struct SourceGuardTests {
    @Test func `row 11, 12: an order of servers is read, written and followed`() throws {
        for text in ["any", "primary", "standby", "standby,primary", "primary,standby"] {
            #expect(try #require(SourceOrder(text)).description == text)
        }
        #expect(SourceOrder("standby, primary")?.description == "standby,primary")
        for text in ["", "master", "primary,primary", "primary,", "any,primary"] {
            #expect(SourceOrder(text) == nil, "\(text)")
        }
        let order = try #require(SourceOrder("standby,primary"))
        #expect(order.rank(of: .standby) == 0 && order.rank(of: .primary) == 1)
        #expect(SourceOrder("standby")?.rank(of: .primary) == nil)
        #expect(SourceOrder.any.rank(of: .primary) == 0 && SourceOrder.any.rank(of: .standby) == 0)
    }

    @Test func `a slot is warned of early, and given up only beyond its limit`() {
        let gib: UInt64 = 1 << 30
        #expect(SlotPressure(retainedBytes: gib).warning == nil)
        #expect(SlotPressure(retainedBytes: 17 * gib).warning?.contains("nothing limits") == true)
        #expect(SlotPressure(retainedBytes: 3 * gib, safeBytes: 7 * gib).warning == nil)
        let near = SlotPressure(retainedBytes: 8 * gib, safeBytes: 2 * gib)
        #expect(
            near.warning == "the slot keeps 8192 MiB of WAL on the server and is lost after"
                + " 2048 MiB more"
        )
        #expect(SlotPressure(retainedBytes: 0, safeBytes: gib, state: "lost").warning != nil)
        #expect(SlotPressure(retainedBytes: 0, safeBytes: 0, state: "unreserved").warning != nil)
        let limited = SlotPressure(retainedBytes: 8 * gib, limitBytes: 10 * gib)
        #expect(limited.warning?.contains("is given up at 10240 MiB") == true)
        #expect(!limited.isGivenUp)
        #expect(SlotPressure(retainedBytes: 11 * gib, limitBytes: 10 * gib).isGivenUp)
        #expect(!SlotPressure(retainedBytes: .max).isGivenUp)
    }

    @Test func `a paused stream and a slot in danger are degraded protection`() {
        var facts = Protection.Facts(
            name: "main",
            now: Timestamp(seconds: 100),
            addedAt: Timestamp(seconds: 0)
        )
        facts.newestPoint = Timestamp(seconds: 90)
        facts.stream = Protection.Stream(
            isConnected: false,
            lagSeconds: 0,
            failure: "full",
            pause: "no room",
            slotWarning: "the slot keeps much"
        )
        let protection = Protection(facts)
        #expect(protection.state == .degraded)
        #expect(
            protection.reasons.map(\.what) == ["the slot keeps much", "the stream pauses: no room"]
        )
    }
}
