import Domain
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

@Suite struct WALLeftoverTests {
    /// A journal of `length` bytes whose session is gone.
    private func abandon(_ wal: WALFixture, _ length: UInt64, flip: Int? = nil) throws {
        let writer = try wal.writer(wal.segment(0))
        var bytes = Array(wal.bytes(.zero, Int(length)))
        if let flip { bytes[flip] ^= 1 }
        try wal.feed(writer, bytes)
        try writer.flush()
    }

    private func successor(_ wal: WALFixture) throws -> WALJournalWriter {
        let segment = wal.segment(0)
        return try wal.writer(segment, leftovers: try wal.archive().leftovers(of: segment))
    }

    @Test func `a leftover goes only when its successor is durable beyond it`() throws {
        let wal = try WALFixture()
        try abandon(wal, 200_000)
        let writer = try successor(wal)
        try wal.feed(writer, to: 199_999)
        try writer.flush()
        #expect(wal.journals.count == 2)
        #expect(try wal.reader.length(of: wal.segment(0).name) == 200_000)
        try wal.feed(writer, to: 200_000)
        #expect(wal.journals.count == 2)
        try writer.flush()
        #expect(wal.journals == [writer.name])
        #expect(same(try wal.read(wal.segment(0)), wal.bytes(.zero, 200_000)))
    }

    @Test func `a leftover that differs is kept aside with an alarm`() throws {
        let wal = try WALFixture()
        try abandon(wal, 200_000, flip: 123_456)
        let writer = try successor(wal)
        var alarms: [WALDivergence] = []
        writer.alarm = { alarms.append($0) }
        try wal.feed(writer, to: 150_000)
        try writer.flush()
        // Both are durable and disagree: what is right nobody can say from here.
        #expect(
            try thrownCode { _ = try wal.reader.length(of: wal.segment(0).name) } == .integrity
        )
        try wal.feed(writer, to: 250_000)
        try writer.flush()
        #expect(alarms.map(\.firstDifference) == [LSN(123_456)])
        #expect(wal.alternates.map(\.object) == alarms.map(\.aside))
        #expect(wal.journals == [writer.name])
        #expect(same(try wal.read(wal.segment(0)), wal.bytes(.zero, 250_000)))
    }

    @Test func `a living session's journal is left alone`() throws {
        let wal = try WALFixture()
        let lease = try Lease.begin(wal.vault, wal.system, kind: .stream, beatSeconds: nil)
        let living = try wal.writer(wal.segment(0), session: lease.session)
        try wal.feed(living, to: 1000)
        try living.flush()
        let writer = try successor(wal)
        try wal.feed(writer, to: 1 << 20)
        _ = try writer.finish(WALSummary(start: .zero))
        #expect(wal.journals == [living.name])
        // The living one goes on and ends in peace.
        try wal.feed(living, to: 1 << 20)
        guard case .alreadyStored = try living.finish(WALSummary(start: .zero)) else {
            Issue.record("equal bytes were not recognised")
            return
        }
        #expect(wal.journals.isEmpty)
    }

    @Test func `what a crash left beside whole segments is tidied by the next session`() throws {
        let wal = try WALFixture()
        try abandon(wal, 1000)
        try abandon(wal, 1 << 20)
        try abandon(wal, 5000, flip: 4000)
        let writer = try wal.writer(wal.segment(0))
        try wal.feed(writer, to: 1 << 20)
        _ = try writer.finish(WALSummary(start: .zero))
        #expect(wal.journals.count == 3)
        let alarms = try wal.archive().removeSuperseded(successor: wal.session())
        #expect(alarms.map(\.firstDifference) == [LSN(4000)])
        #expect(wal.journals.isEmpty)
        #expect(wal.alternates.count == 1)
    }

    @Test func `a damaged leftover is not thrown away`() throws {
        let wal = try WALFixture()
        try abandon(wal, 200_000)
        let journal = try #require(wal.journals.first)
        wal.store.corrupt(journal.object, at: 2000)
        let writer = try successor(wal)
        var alarms: [WALDivergence] = []
        writer.alarm = { alarms.append($0) }
        try wal.feed(writer, to: 1 << 20)
        _ = try writer.finish(WALSummary(start: .zero))
        #expect(alarms.count == 1 && alarms[0].damage != nil)
        #expect(wal.journals == [journal])
        #expect(same(try wal.read(wal.segment(0)), wal.content(wal.segment(0))))
    }

    @Test func `a part is superseded like a journal`() throws {
        let wal = try WALFixture()
        let first = try wal.writer(wal.segment(0))
        try wal.feed(first, to: 4096)
        _ = try first.finishPart(WALSummary(start: .zero))
        let writer = try successor(wal)
        try wal.feed(writer, to: 8192)
        try writer.flush()
        #expect(wal.names() == [writer.name])
    }
}
