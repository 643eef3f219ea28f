import Domain
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

@Suite struct WALJournalTests {
    @Test func `a journal becomes the sealed segment without being written again`() throws {
        let wal = try WALFixture()
        let segment = wal.segment(0)
        let writer = try wal.writer(segment)
        try wal.feed(writer, to: 300_000)
        #expect(try writer.flush() == LSN(300_000))
        #expect(same(try wal.read(segment), wal.bytes(segment.start, 300_000)))
        try wal.feed(writer, to: 1 << 20)
        let written = wal.store.calls.count { $0.operation == .append }
        guard case .stored = try writer.finish(WALSummary(start: segment.start)) else {
            Issue.record("not stored")
            return
        }
        #expect(wal.store.calls.count { $0.operation == .append } <= written + 2)
        #expect(wal.names() == [WALObjectName(wal.system, segment: segment.name, .sealed)])
        #expect(same(try wal.read(segment), wal.content(segment)))
        #expect(writer.durable == segment.end)
    }

    @Test func `bytes behind the segment are left to the next one`() throws {
        let wal = try WALFixture(segments: 2)
        let writer = try wal.writer(wal.segment(0))
        try wal.feed(writer, to: (1 << 20) - 100)
        let taken = try Array(wal.bytes(writer.position, 300)).withUnsafeBytes {
            try writer.append($0)
        }
        #expect(taken == 100)
        #expect(writer.position == wal.segment(1).start)
    }

    @Test func `bulk appending syncs only when asked`() throws {
        let wal = try WALFixture()
        let writer = try wal.writer(wal.segment(0))
        for step in 1...16 { try wal.feed(writer, to: UInt64(step) << 16) }
        #expect(!wal.store.calls.contains { $0.operation == .sync })
        try writer.flush()
        try writer.flush()
        #expect(wal.store.calls.count { $0.operation == .sync } == 1)
    }

    @Test func `a segment flushed in crumbs is stored in full frames`() throws {
        let wal = try WALFixture()
        let segment = wal.segment(0)
        let writer = try wal.writer(segment)
        for step in 1...1024 {
            try wal.feed(writer, to: UInt64(step) << 10)
            try writer.flush()
        }
        let journal = try #require(wal.journals.first)
        let before = try #require(wal.store.peek(journal.object)).count
        guard case .stored = try writer.finish(WALSummary(start: segment.start)) else {
            Issue.record("not stored")
            return
        }
        #expect(wal.journals.isEmpty)
        let sealed = WALObjectName(wal.system, segment: segment.name, .sealed)
        #expect(try #require(wal.store.peek(sealed.object)).count < before / 2)
        #expect(same(try wal.read(segment), wal.content(segment)))
    }

    @Test func `a journal of very many frames is rewritten and stays readable`() throws {
        let wal = try WALFixture()
        let head = WALHead(
            systemIdentifier: wal.system,
            segment: wal.segment(0),
            writer: wal.session()
        )
        let writer = try WALJournalWriter(
            wal.vault,
            head,
            leftovers: [],
            clock: SystemClock(),
            framesMax: 16
        )
        for step in 1...100 {
            try wal.feed(writer, to: UInt64(step) * 100)
            #expect(try writer.flush() == LSN(UInt64(step) * 100))
            #expect(same(try wal.read(head.segment), wal.bytes(.zero, step * 100)))
        }
        #expect(wal.journals.count == 1)
    }

    @Test func `a part keeps the end of a timeline, padded with zeros when fetched`() throws {
        let wal = try WALFixture()
        let segment = wal.segment(0)
        let writer = try wal.writer(segment)
        try wal.feed(writer, to: 500_001)
        guard case .stored? = try writer.finishPart(WALSummary(start: segment.start)) else {
            Issue.record("not stored")
            return
        }
        #expect(wal.names().map(\.form) == [.part(length: 500_001)])
        try ScratchDirectory.with { scratch in
            let path = scratch.file("segment")
            let fetched = try #require(try wal.reader.fetch(segment.name, to: path))
            #expect(fetched.length == 500_001 && !fetched.isWhole)
            let bytes = try FileSystem.readFile(path)
            #expect(bytes.count == 1 << 20)
            #expect(bytes[..<500_001] == wal.bytes(.zero, 500_001))
            #expect(bytes[500_001...].allSatisfy { $0 == 0 })
            #expect(try FileSystem.list(scratch.path) == ["segment"])
        }
    }

    @Test func `a stream that ends before its first byte leaves nothing`() throws {
        let wal = try WALFixture()
        let writer = try wal.writer(wal.segment(0))
        #expect(try writer.finishPart(WALSummary(start: .zero)) == nil)
        #expect(wal.names().isEmpty)
    }

    @Test func `the same segment twice is stored once`() throws {
        let wal = try WALFixture()
        let segment = wal.segment(0)
        for attempt in 0..<2 {
            let writer = try wal.writer(segment)
            writer.alarm = { _ in Issue.record("alarm for equal bytes") }
            if attempt == 1 { for step in 1...100 { try crumb(wal, writer, step) } }
            try wal.feed(writer, to: 1 << 20)
            let outcome = try writer.finish(WALSummary(start: segment.start))
            switch (attempt, outcome) {
            case (0, .stored), (1, .alreadyStored): break
            default: Issue.record("attempt \(attempt) was \(outcome)")
            }
        }
        #expect(wal.names().count == 1)
    }

    private func crumb(_ wal: WALFixture, _ writer: WALJournalWriter, _ step: Int) throws {
        try wal.feed(writer, to: UInt64(step) * 10)
        try writer.flush()
    }

    @Test(arguments: [0, 77_777, (1 << 20) - 1])
    func `other bytes for the same segment are kept aside with an alarm`(at place: Int) throws {
        let wal = try WALFixture()
        let segment = wal.segment(0)
        let first = try wal.writer(segment)
        try wal.feed(first, to: 1 << 20)
        _ = try first.finish(WALSummary(start: segment.start))
        var other = Array(wal.content(segment))
        other[place] ^= 1
        let second = try wal.writer(segment)
        var alarms: [WALDivergence] = []
        second.alarm = { alarms.append($0) }
        try wal.feed(second, other)
        guard case .divergent(let found) = try second.finish(WALSummary(start: segment.start))
        else {
            Issue.record("not divergent")
            return
        }
        #expect(alarms.count == 1)
        #expect(found.firstDifference == segment.start + UInt64(place))
        #expect(found.error.code == .integrity)
        #expect(wal.journals.isEmpty)
        #expect(wal.alternates.map(\.object) == [found.aside])
        // The first stays the one that is read, and the archive names the other.
        #expect(same(try wal.read(segment), wal.content(segment)))
        #expect(try wal.archive().alternates.map(\.name) == wal.alternates)
    }

    @Test func `a damaged archived segment does not swallow the good bytes`() throws {
        let wal = try WALFixture()
        let segment = wal.segment(0)
        let first = try wal.writer(segment)
        try wal.feed(first, to: 1 << 20)
        _ = try first.finish(WALSummary(start: segment.start))
        let sealed = WALObjectName(wal.system, segment: segment.name, .sealed)
        wal.store.corrupt(sealed.object, at: 5000)
        let second = try wal.writer(segment)
        try wal.feed(second, to: 1 << 20)
        guard case .divergent(let found) = try second.finish(WALSummary(start: segment.start))
        else {
            Issue.record("not divergent")
            return
        }
        #expect(found.damage != nil && found.firstDifference == nil)
        #expect(wal.alternates.count == 1)
    }
}
