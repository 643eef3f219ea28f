import Domain
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

@Suite struct ClaimTests {
    private let elsewhere = ProcessIdentity(
        host: "far",
        boot: "other boot",
        namespace: "pid:[1]",
        process: 1,
        ticks: 1
    )

    private func lease(_ wal: WALFixture, _ clock: any Platform.Clock = SystemClock()) throws
        -> Lease
    {
        try Lease.begin(wal.vault, wal.system, kind: .stream, clock: clock, beatSeconds: nil)
    }

    private func acquire(_ lease: Lease, _ token: CancellationToken = CancellationToken()) throws
        -> Claim
    {
        try Claim.acquire(.stream, lease: lease, token: token)
    }

    @Test func `a role is held by one session until it gives it back`() throws {
        let wal = try WALFixture()
        #expect(try Claim.holder(wal.vault, wal.system, .stream) == nil)
        let first = try lease(wal)
        let claim = try acquire(first)
        let second = try lease(wal)
        do {
            _ = try acquire(second)
            Issue.record("two holders")
        } catch let error as PgkeepError {
            #expect(error.code == .busy)
            let own = ProcessIdentity.current()
            #expect(error.message.contains("process \(own.process) on \(own.host)"))
            #expect(!error.hint.isEmpty)
        }
        // Another role is another matter.
        let backup = try Claim.acquire(.backup, lease: second, token: CancellationToken())
        #expect(try Claim.holder(wal.vault, wal.system, .stream)?.session == first.session)
        try claim.verify()
        try claim.release()
        try claim.release()
        #expect(try Claim.holder(wal.vault, wal.system, .stream) == nil)
        let next = try acquire(second)
        #expect(next.generation > claim.generation)
        try backup.release()
    }

    @Test func `of 64 takers one wins`() throws {
        let wal = try WALFixture()
        for round in 0..<3 {
            let takers = (0..<64).map { number in
                Thread<Claim?>("taker-\(number)") {
                    do {
                        return try acquire(try lease(wal))
                    } catch let error as PgkeepError where error.code == .busy {
                        return nil
                    }
                }
            }
            let winners = try takers.compactMap { try $0.join() }
            #expect(winners.count == 1, "round \(round)")
            try winners.first?.release()
        }
    }

    @Test func `a dead holder is replaced, and stops when it wakes up`() throws {
        let wal = try WALFixture()
        let clock = ManualClock()
        let sleeper = try lease(wal, clock)
        let token = CancellationToken()
        let claim = try acquire(sleeper, token)
        let taker = try lease(wal, clock)
        let take = {
            try Claim.acquire(.stream, lease: taker, token: .init(), observer: elsewhere)
        }
        clock.advance(seconds: 39)
        #expect(try thrownCode { _ = try take() } == .busy)
        clock.advance(seconds: 2)
        let successor = try take()
        #expect(!token.isCancelled)
        try sleeper.beat()
        #expect(token.isCancelled)
        #expect(token.error.message.contains("taken over"))
        #expect(try thrownCode { try claim.verify() } == .busy)
        // What it gives back is no longer its own.
        try claim.release()
        #expect(try Claim.holder(wal.vault, wal.system, .stream)?.session == taker.session)
        try successor.verify()
    }

    @Test(arguments: [-9, 9])
    func `a role is kept and lost by the store's clock, however far its holder's is off`(
        days: Int64
    ) throws {
        let wal = try WALFixture()
        let holder = try lease(wal, ManualClock(SystemClock().now.adding(seconds: days * 86400)))
        _ = try acquire(holder)
        let clock = ManualClock(SystemClock().now)
        let taker = try lease(wal, clock)
        let take = {
            try Claim.acquire(.stream, lease: taker, token: .init(), observer: elsewhere)
        }
        #expect(try thrownCode { _ = try take() } == .busy)
        clock.advance(seconds: 122)
        _ = try take()
    }

    @Test func `a holder whose lease is gone is replaced at once`() throws {
        let wal = try WALFixture()
        let first = try lease(wal)
        _ = try acquire(first)
        try first.end()
        _ = try acquire(try lease(wal))
    }

    @Test func `a taker that slept through generations does not become the holder`() throws {
        let wal = try WALFixture()
        let sleeper = try lease(wal)
        let others = try (0..<5).map { _ in try lease(wal) }
        let hasSlept = Condition(false)
        wal.store.setFaults { call in
            guard call.operation == .putIfAbsent, call.name.contains("/claim/"),
                hasSlept.change({ slept in
                    defer { slept = true }
                    return !slept
                })
            else { return nil }
            // Between its look and its put, others come and go and tidy up.
            do {
                for other in others {
                    let claim = try acquire(other)
                    if other !== others.last { try claim.release() }
                }
            } catch {
                Issue.record(error)
            }
            return nil
        }
        #expect(try thrownCode { _ = try acquire(sleeper) } == .busy)
        wal.store.setFaults(nil)
        #expect(
            try Claim.holder(wal.vault, wal.system, .stream)?.session == others.last?.session
        )
        // Its stale generation is gone again.
        #expect(wal.store.names.count { $0.text.contains("/claim/") } == 1)
    }

    @Test func `a lost answer does not lock the session out`() throws {
        let wal = try WALFixture()
        let session = try lease(wal)
        wal.store.failOnce(.loseAnswer) {
            $0.operation == .putIfAbsent && $0.name.contains("/claim/")
        }
        #expect(try thrownCode { _ = try acquire(session) } == .storeUnreachable)
        let claim = try acquire(session)
        try claim.verify()
    }

    @Test func `any flipped byte of a claim is found`() throws {
        let wal = try WALFixture()
        let claim = try acquire(try lease(wal))
        let name = try #require(wal.store.names.first { $0.text.contains("/claim/") })
        #expect(claim.generation == 1)
        try expectEveryFlipFound(wal.store, name) {
            _ = try Claim.holder(wal.vault, wal.system, .stream)
        }
    }
}
