import Domain
import Testing

/// The judgement behind `status`: facts in, a state with the next step out.
struct ProtectionTests {
    private static let now = Timestamp(seconds: 1_770_000_000)

    /// All is well: a backup of an hour ago and a stream that has caught up.
    private var well: Protection.Facts {
        var facts = Protection.Facts(
            name: "main",
            now: Self.now,
            addedAt: Self.now.adding(seconds: -30 * 86400)
        )
        facts.newestPoint = Self.now.adding(seconds: -3600)
        facts.stream = Protection.Stream(isConnected: true, lagSeconds: 0)
        facts.knownUntil = Self.now
        return facts
    }

    private func judge(_ change: (inout Protection.Facts) -> Void) -> Protection {
        var facts = well
        change(&facts)
        return Protection(facts)
    }

    @Test func `a fresh backup and a stream that keeps up are protection`() {
        let judged = judge { _ in }
        #expect(judged.state == .protected && judged.reasons.isEmpty)
        let slow = judge { $0.stream?.lagSeconds = $0.lagLimitSeconds }
        #expect(slow.state == .protected)
    }

    @Test func `each lack has its state and names the command that helps`() {
        func expect(
            _ state: Protection.State,
            _ next: String,
            _ change: (inout Protection.Facts) -> Void
        ) {
            let judged = judge(change)
            #expect(judged.state == state)
            #expect(judged.reasons.first?.state == state)
            #expect(judged.reasons.first?.next.hasPrefix("pgkeep \(next)") == true)
        }
        expect(.degraded, "wal status main") { $0.stream?.lagSeconds = 301 }
        expect(.degraded, "wal stream main") {
            $0.stream = nil
            $0.knownUntil = Self.now.adding(seconds: -901)
        }
        expect(.degraded, "wal stream main") {
            $0.stream = nil
            $0.knownUntil = nil
        }
        expect(.degraded, "backup create main") {
            $0.newestPoint = Self.now.adding(seconds: -3 * 86400)
        }
        expect(.degraded, "backup create main") { $0.hasGapAhead = true }
        expect(.degraded, "job show 17") {
            $0.failedBackup = Protection.FailedJob(id: "17", at: Self.now, code: "source.auth")
        }
        expect(.degraded, "vault check") { $0.damagedPoints = 1 }
        expect(.paused, "doctor --instance main") {
            $0.stream = Protection.Stream(isConnected: false, lagSeconds: 0, failure: "gone")
        }
        expect(.degraded, "doctor --instance main") {
            $0.stream = Protection.Stream(isConnected: false, lagSeconds: 20)
        }
        expect(.pending, "backup create main") {
            $0.newestPoint = nil
            $0.addedAt = Self.now.adding(seconds: -60)
        }
        expect(.notProtected, "backup create main") { $0.newestPoint = nil }
        expect(.notProtected, "backup create main") {
            $0.newestPoint = nil
            $0.addedAt = Self.now
            $0.damagedPoints = 1
        }
        expect(.stopped, "instance resume main") { $0.ended = "stopped" }
        expect(.notProtected, "backup create main") {
            $0.ended = "stopped"
            $0.newestPoint = nil
        }
        expect(.stopped, "instance undelete main") {
            $0.ended = "until Sunday"
            $0.isDeleted = true
        }
    }

    @Test func `WAL fetched from cron every few minutes is enough`() {
        let judged = judge {
            $0.stream = nil
            $0.knownUntil = Self.now.adding(seconds: -600)
        }
        #expect(judged.state == .protected)
    }

    @Test func `a server that is away is not told to take a backup`() {
        let judged = judge {
            $0.newestPoint = Self.now.adding(seconds: -10 * 86400)
            $0.stream = Protection.Stream(isConnected: false, lagSeconds: 0)
        }
        #expect(judged.state == .paused)
        #expect(judged.reasons.count == 1)
    }

    @Test func `the worst state wins and stands first`() {
        let judged = judge {
            $0.damagedPoints = 2
            $0.newestPoint = nil
            $0.stream = nil
        }
        #expect(judged.state == .notProtected)
        #expect(judged.reasons.map(\.state) == [.notProtected, .degraded])
        let order = Protection.State.allCases
        #expect(order.sorted() == order && order.first == .protected)
    }
}
