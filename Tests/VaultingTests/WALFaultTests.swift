import Domain
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

/// Kills WAL sessions between any two operations of the store and looks whether a single
/// acknowledged byte is gone.
@Suite struct WALFaultTests {
    private static let segments = 3

    /// What the server was told: bytes below it may be gone from the server.
    private final class Acknowledged {
        var position = LSN.zero
    }

    /// One session: continues the archive, as the WAL archiver does, until everything is in it.
    private func run(
        _ wal: WALFixture,
        _ acknowledged: Acknowledged,
        _ random: inout SeededRandom
    ) throws {
        let archive = try wal.archive()
        let session = wal.session()
        let end = LSN(UInt64(Self.segments) << 20)
        let resumed = archive.resumption(on: .root(1))
        var position = resumed?.position ?? .zero
        #expect(position <= acknowledged.position || resumed != nil)
        _ = try archive.removeSuperseded(successor: session)
        while position < end {
            let segment = WALSegment(timeline: 1, containing: position, size: wal.size)
            let writer = try wal.writer(
                segment,
                session: session,
                leftovers: archive.leftovers(of: segment)
            )
            writer.alarm = { Issue.record("alarm without reason: \($0.error.message)") }
            while writer.position < segment.end {
                let step = UInt64.random(in: 1...400_000, using: &random)
                try wal.feed(
                    writer,
                    to: min(1 << 20, writer.position - segment.start + step)
                )
                if Bool.random(using: &random) {
                    acknowledged.position = max(acknowledged.position, try writer.flush())
                }
            }
            _ = try writer.finish(WALSummary(start: segment.start))
            acknowledged.position = max(acknowledged.position, segment.end)
            position = segment.end
        }
    }

    /// Every acknowledged byte can be read, and nothing that can be read is wrong.
    private func check(_ wal: WALFixture, _ acknowledged: Acknowledged, _ note: String) throws {
        for number in 0..<UInt64(Self.segments) {
            let segment = wal.segment(number)
            let found = try wal.read(segment) ?? []
            #expect(same(found, wal.bytes(segment.start, found.count)), "\(note): \(segment)")
            let due = min(segment.end, acknowledged.position)
            guard due > segment.start else { continue }
            #expect(found.count >= Int(due - segment.start), "\(note): \(segment) lost bytes")
        }
    }

    /// Nothing is left once journals that never got a byte are old enough to be nobody's.
    private func tidy(_ wal: WALFixture, _ note: String) throws {
        let later = ManualClock(SystemClock().now.adding(seconds: 3600))
        _ = try wal.archive().removeSuperseded(successor: wal.session(), clock: later)
        #expect(wal.journals.isEmpty && wal.alternates.isEmpty, "\(note)")
    }

    @Test(arguments: [false, true])
    func `a session killed before any operation loses nothing acknowledged`(
        isPowerCut: Bool
    ) throws {
        // Refused calls are the kill; lost answers, the kill after the operation.
        for losesAnswer in [false, true] {
            var number = 1
            var isDone = false
            while !isDone {
                let wal = try WALFixture(segments: Self.segments)
                let acknowledged = Acknowledged()
                var random = SeededRandom(seed: 7)
                let first = wal.store.calls.count
                let fatal = number
                wal.store.setFaults { call in
                    // A dead process does nothing more, whatever it would have liked to.
                    guard call.number >= first + fatal else { return nil }
                    return losesAnswer && call.number == first + fatal ? .loseAnswer : .refuse
                }
                do {
                    try run(wal, acknowledged, &random)
                    isDone = true
                } catch {}
                wal.store.setFaults(nil)
                if isPowerCut {
                    wal.store.crash { _, lost in Int.random(in: 0...lost, using: &random) }
                }
                try check(wal, acknowledged, "killed at \(number)")
                try run(wal, acknowledged, &random)
                try check(wal, acknowledged, "resumed after \(number)")
                try tidy(wal, "killed at \(number)")
                number += 1
            }
        }
    }

    @Test func `sessions killed again and again lose nothing acknowledged`() throws {
        var random = SeededRandom(stream: "WALFaultTests")
        for round in 0..<20 {
            let wal = try WALFixture(segments: Self.segments)
            let acknowledged = Acknowledged()
            var isDone = false
            var deaths = 0
            while !isDone {
                let first = wal.store.calls.count
                let fatal = Int.random(in: 1...40, using: &random)
                let faults: [MemoryStore.Fault] = [.refuse, .loseAnswer, .full, .shortWrite(1000)]
                let fault = faults[Int.random(in: 0..<4, using: &random)]
                wal.store.setFaults { call in
                    guard call.number >= first + fatal else { return nil }
                    return call.number == first + fatal ? fault : .refuse
                }
                do {
                    try run(wal, acknowledged, &random)
                    isDone = true
                } catch {
                    deaths += 1
                }
                wal.store.setFaults(nil)
                if Bool.random(using: &random) {
                    wal.store.crash { _, lost in Int.random(in: 0...lost, using: &random) }
                }
                try check(wal, acknowledged, "round \(round), death \(deaths)")
                // Sooner or later one session must be left in peace.
                if deaths > 30 {
                    try run(wal, acknowledged, &random)
                    isDone = true
                }
            }
            try check(wal, acknowledged, "round \(round)")
            try tidy(wal, "round \(round)")
        }
    }

    @Test func `a full store stops acknowledging and resumes without loss`() throws {
        let wal = try WALFixture()
        let writer = try wal.writer(wal.segment(0))
        try wal.feed(writer, to: 100_000)
        try writer.flush()
        wal.store.failOnce(.full) { $0.operation == .append }
        try wal.feed(writer, to: 200_000)
        #expect(try thrownCode { try writer.flush() } == .storeFull)
        #expect(writer.durable == LSN(100_000))
        // The dead journal takes nothing more, and still gives what it promised.
        #expect(try thrownCode { try writer.flush() } == .storeFull)
        #expect(try wal.read(wal.segment(0)) == Array(wal.bytes(.zero, 100_000)))
    }
}
