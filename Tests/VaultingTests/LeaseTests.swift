import Domain
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

@Suite struct LeaseTests {
    private func gone(_ own: ProcessIdentity = .current()) -> ProcessIdentity {
        // Above the kernel's highest process number, so nobody can have it.
        ProcessIdentity(
            host: own.host,
            boot: own.boot,
            namespace: own.namespace,
            process: 1 << 23,
            ticks: 1
        )
    }

    @Test func `a lease says who works and vanishes at the end`() throws {
        let wal = try WALFixture()
        let clock = ManualClock()
        let parent = wal.session()
        let lease = try Lease.begin(
            wal.vault,
            wal.system,
            kind: .backup,
            parent: parent,
            walFloor: LSN(77),
            clock: clock,
            beatSeconds: nil
        )
        let found = try #require(try Lease.read(wal.vault, wal.system, lease.session))
        var said = lease.record
        said.putAt = found.putAt
        #expect(found == said && found.putAt != nil)
        #expect(found.parent == parent && found.walFloor == LSN(77) && found.kind == .backup)
        #expect(found.holder == .current())
        #expect(try Lease.list(wal.vault, wal.system) == [found])
        try lease.end()
        try lease.end()
        #expect(try Lease.read(wal.vault, wal.system, lease.session) == nil)
        #expect(try Lease.list(wal.vault, wal.system).isEmpty)
    }

    @Test func `signs of life carry the status`() throws {
        let wal = try WALFixture()
        let clock = ManualClock()
        let lease = try Lease.begin(
            wal.vault,
            wal.system,
            kind: .stream,
            clock: clock,
            beatSeconds: nil
        )
        var status = StreamStatus(timeline: 3, at: LSN(4711), time: clock.now)
        status.slot = "pgkeep_a"
        status.isConnected = true
        try lease.setStatus(status)
        clock.advance(seconds: 9)
        try lease.beat()
        let found = try #require(try Lease.read(wal.vault, wal.system, lease.session))
        #expect(found.beats == 1 && found.beatAt == clock.now)
        #expect(found.status(as: StreamStatus.self) == status)
        #expect(found.status(as: LeaseRecord.self) == nil)
    }

    @Test func `the thread gives signs until the end`() throws {
        let wal = try WALFixture()
        let lease = try Lease.begin(wal.vault, wal.system, kind: .check, beatSeconds: 0.001)
        let puts = Condition(0)
        wal.store.setFaults { call in
            if call.operation == .put { puts.change { $0 += 1 } }
            return nil
        }
        #expect(puts.wait(seconds: 60) { $0 > 5 ? true : nil } == true)
        try lease.end()
        let last = puts.read { $0 }
        try lease.beat()
        #expect(puts.read { $0 } == last)
        #expect(wal.store.names.allSatisfy { !$0.text.contains("/lease/") })
    }

    @Test func `a store out of reach does not end the session`() throws {
        let wal = try WALFixture()
        let lease = try Lease.begin(wal.vault, wal.system, kind: .stream, beatSeconds: nil)
        wal.store.failOnce(.refuse) { $0.operation == .put }
        #expect(try thrownCode { try lease.beat() } == .storeUnreachable)
        #expect(lease.failure != nil)
        try lease.beat()
        #expect(lease.failure == nil)
    }

    @Test func `a process that has ended is dead at once, a silent one after two minutes`() throws {
        let start = Timestamp(seconds: 1_800_000_000)
        let wal = try WALFixture()
        let here = ProcessIdentity.current()
        var record = LeaseRecord(session: wal.session(), kind: .stream, startedAt: start)
        let elsewhere = ProcessIdentity(
            host: "far",
            boot: "other",
            namespace: here.namespace,
            process: 1,
            ticks: 1
        )
        // Seen from its own machine: the process decides, however long it is silent.
        #expect(!record.isDead(now: start.adding(seconds: 100_000), observer: here))
        // From another machine only the silence can be heard.
        #expect(!record.isDead(now: start.adding(seconds: 120), observer: elsewhere))
        #expect(record.isDead(now: start.adding(seconds: 121), observer: elsewhere))
        #expect(!record.isDead(now: start.adding(seconds: -86400), observer: elsewhere))
        // Its clock was ahead when it gave its last sign; the store knows when that was.
        record.beatAt = start.adding(seconds: 86400)
        record.putAt = start
        #expect(record.isDead(now: start.adding(seconds: 121), observer: elsewhere))
        #expect(!record.isDead(now: start.adding(seconds: 120), observer: elsewhere))
        // Clocks of hosts agree, and the store's is behind them: it lives.
        record.beatAt = start
        record.putAt = start.adding(seconds: -3600)
        #expect(!record.isDead(now: start.adding(seconds: 120), observer: elsewhere))
        #expect(!record.isDead(now: start.adding(seconds: -60), observer: elsewhere))
        #expect(record.isDead(now: start.adding(seconds: 121), observer: elsewhere))
        record.holder = gone()
        #expect(record.isDead(now: start, observer: here))
        // The same number, another process: it was used again.
        record.holder = here
        record.holder.ticks += 1
        #expect(record.isDead(now: start, observer: here))
        // The same number in another container says nothing.
        record.holder.namespace = "pid:[1]"
        #expect(!record.isDead(now: start, observer: here))
    }

    @Test func `any flipped byte of a lease is found, and so is another's lease`() throws {
        let wal = try WALFixture()
        let lease = try Lease.begin(wal.vault, wal.system, kind: .stream, beatSeconds: nil)
        let other = try Lease.begin(wal.vault, wal.system, kind: .stream, beatSeconds: nil)
        let name = ObjectName("c/\(wal.system.hex)/lease/\(lease.session)")
        try expectEveryFlipFound(wal.store, name) {
            _ = try Lease.read(wal.vault, wal.system, lease.session)
        }
        let bytes = try #require(
            wal.store.peek(ObjectName("c/\(wal.system.hex)/lease/\(other.session)"))
        )
        wal.store.overwrite(name, with: bytes)
        #expect(
            try thrownCode { _ = try Lease.list(wal.vault, wal.system) } == .integrity
        )
    }
}

/// Flips one bit of each byte of an object; each time `body` must throw for that reason.
func expectEveryFlipFound(
    _ store: MemoryStore,
    _ name: ObjectName,
    _ body: () throws -> Void
) throws {
    let bytes = try #require(store.peek(name))
    for offset in bytes.indices {
        store.corrupt(name, at: offset, xor: UInt8(1 << (offset % 8)))
        let code = try thrownCode(body)
        #expect(
            code == .integrity || code == .vaultVersion || code == .wrongKey,
            "byte \(offset) of \(name): \(code.map(\.name) ?? "accepted")"
        )
        store.corrupt(name, at: offset, xor: UInt8(1 << (offset % 8)))
    }
    for length in [0, 1, 64, bytes.count / 2, bytes.count - 1] {
        store.overwrite(name, with: Array(bytes[..<length]))
        #expect(try thrownCode(body) == .integrity, "\(name) cut at \(length)")
    }
    store.overwrite(name, with: bytes)
    try body()
}
