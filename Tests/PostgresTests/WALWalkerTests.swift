import Domain
import Platform
import Postgres
import TestSupport
import Testing

struct WALWalkerTests {
    private let oneMegabyte: WALSegmentSize

    init() throws { oneMegabyte = try #require(WALSegmentSize(bytes: 1 << 20)) }

    private func walk(
        _ bytes: [UInt8],
        from start: LSN,
        slices: ClosedRange<Int> = 1...20_000,
        system: SystemIdentifier? = nil,
        _ random: inout SeededRandom
    ) -> (walker: WALWalker, events: [WALEvent]) {
        var walker = WALWalker(
            segmentSize: oneMegabyte,
            systemIdentifier: system,
            startingAt: start
        )
        var events: [WALEvent] = []
        inSlices(bytes, of: slices, &random) { slice, offset in
            walker.feed(slice, at: start + UInt64(offset)) { events.append($0) }
        }
        return (walker, events)
    }

    private func recorded(_ major: Int) throws -> (start: LSN, bytes: [UInt8], records: UInt64) {
        let lines = try Fixture.lines(major, "wal.name")
        let name = try #require(lines[0].split(separator: " ").first)
        let segment = try #require(WALSegment(name: name, size: oneMegabyte))
        let records = try #require(UInt64(lines[1]))
        return (segment.start, try Fixture.bytes(major, "wal"), records)
    }

    @Test(arguments: Fixture.majors)
    func `recorded WAL says what pg_waldump says, in slices of any length`(major: Int) throws {
        var random = SeededRandom(stream: "wal \(major)")
        let (start, bytes, records) = try recorded(major)
        let expected = WALDump.expected(try Fixture.text(major, "wal.txt"))
        #expect(expected.count >= 8)
        for slices in [1...1, 1...50, 1...9000, 8192...8192, 100_000...100_000] {
            let (walker, events) = walk(bytes, from: start, slices: slices, &random)
            #expect(WALDump.found(events) == expected)
            #expect(walker.records == records && walker.majorVersion == major)
            // The last restore point was not flushed yet when the file was copied.
            #expect(walker.stop?.reason == .zeroes && walker.stop?.position == walker.validEnd)
            #expect(walker.timeline == 1)
        }
        let (foreign, none) = walk(bytes, from: start, system: SystemIdentifier(1), &random)
        #expect(none.isEmpty && foreign.validEnd == start)
        guard case .foreign = foreign.stop?.reason else {
            Issue.record("another cluster's WAL was taken")
            return
        }
    }

    @Test(arguments: Fixture.majors)
    func `damage never adds or changes an event`(major: Int) throws {
        var random = SeededRandom(stream: "wal damage \(major)")
        let (start, bytes, _) = try recorded(major)
        let whole = walk(bytes, from: start, &random)
        for _ in 0..<150 {
            let damaged = mutated(bytes, &random)
            let (walker, events) = walk(damaged, from: start, &random)
            #expect(events == Array(whole.events.prefix(events.count)))
            #expect(walker.validEnd <= whole.walker.validEnd)
        }
    }

    @Test func `a summary counts each event where its last byte lies`() throws {
        var random = SeededRandom(seed: 6)
        let (start, bytes, _) = try recorded(18)
        let (walker, events) = walk(bytes, from: start, &random)
        var builder = WALSummaryBuilder(
            WALWalker(segmentSize: oneMegabyte, systemIdentifier: nil, startingAt: start)
        )
        var passed = 0
        inSlices(bytes, of: 1...700, &random) { slice, offset in
            builder.feed(slice, at: start + UInt64(offset)) { _ in passed += 1 }
        }
        let summary = builder.take()
        #expect(passed == events.count)
        #expect(summary.start == start && summary.end == walker.validEnd)
        #expect(summary.commits == 5 && summary.aborts == 2)
        #expect(summary.minXID == 763 && summary.maxXID == 771)
        #expect(summary.restorePoints.map(\.name) == ["vor dem Fehler"])
        let first = try #require(Timestamp("2026-11-21T08:09:06.839047Z"))
        #expect(summary.minTime == first && summary.firstCommit == first)
        #expect(builder.take().commits == 0)
    }

    @Test(arguments: [13, 14, 15, 16, 17, 18])
    func `records of every length cross pages and segments`(major: Int) throws {
        var random = SeededRandom(stream: "records \(major)")
        var wal = try WALBuilder(start: LSN(5 << 20), major: major)
        var commits: [UInt32] = []
        while wal.bytes.count < 3 << 20 {
            let longest = Int.random(in: 0..<40, using: &random) == 0 ? 300_000 : 700
            wal.noise(Int.random(in: 0...longest, using: &random))
            commits.append(UInt32(commits.count + 3))
            wal.commit(xid: commits[commits.count - 1], time: Int64(commits.count))
        }
        for slices in [1...3000, 1 << 20...1 << 20] {
            let (walker, events) = walk(wal.bytes, from: wal.start, slices: slices, &random)
            #expect(walker.stop == nil && walker.validEnd == wal.position)
            #expect(walker.records == UInt64(wal.starts.count) && walker.majorVersion == major)
            let found = events.compactMap { event -> UInt32? in
                guard case .transactionEnd(let record) = event.kind else { return nil }
                return record.xid
            }
            let isSame = found == commits
            #expect(isSame)
        }
        // From the second segment on: begins in the middle of a record or not, as it comes.
        let rest = Array(wal.bytes[(1 << 20)...])
        let second = LSN(6 << 20)
        let expected = wal.starts.filter { $0 >= second }.count
        let (walker, _) = walk(rest, from: second, &random)
        #expect(walker.stop == nil && walker.records == UInt64(expected))
    }

    @Test func `a record cut by a crash and written over is dropped`() throws {
        var random = SeededRandom(seed: 7)
        var wal = try WALBuilder(start: LSN(1 << 20))
        wal.commit(xid: 3, time: 1)
        let lost = wal.position
        wal.add(wal.record(10, 0, [UInt8](repeating: 1, count: 30_000)), limit: 16_000)
        wal.fillPage()
        wal.page(flags: 8)
        let body = WALBuilder.main(WALBuilder.little(lost.rawValue) + WALBuilder.little(Int64(5)))
        wal.add(wal.record(0, 0xD0, body))
        wal.commit(xid: 4, time: 2)
        let (walker, events) = walk(wal.bytes, from: wal.start, &random)
        #expect(walker.stop == nil && walker.records == 3)
        #expect(events.map(\.kind).contains(.overwroteRecord(lost: lost)))
        #expect(events.count == 3)
    }

    @Test func `after a switch the rest of the segment is not looked at`() throws {
        var random = SeededRandom(seed: 8)
        var wal = try WALBuilder(start: LSN(1 << 20))
        wal.commit(xid: 3, time: 1)
        wal.add(wal.record(0, 0x40, []))
        let end = LSN(2 << 20)
        let head = wal.bytes
        let rest = random.bytes((1 << 20) - head.count)
        var next = try WALBuilder(start: end)
        next.page()
        for slices in [1...900, 1 << 21...1 << 21] {
            let (walker, events) = walk(
                head + rest + next.bytes,
                from: wal.start,
                slices: slices,
                &random
            )
            #expect(events.last?.kind == .segmentSwitch && events.last?.end == end)
            #expect(walker.stop == nil && walker.validEnd == end)
            #expect(walker.position == end + 40)
        }
    }

    @Test func `what is no valid continuation ends the walk`() throws {
        var random = SeededRandom(seed: 9)
        func stop(_ change: (inout WALBuilder) -> Void) throws -> WALStop.Reason? {
            var wal = try WALBuilder(start: LSN(1 << 20))
            wal.commit(xid: 3, time: 1)
            change(&wal)
            return walk(wal.bytes, from: wal.start, &random).walker.stop?.reason
        }
        #expect(try stop { _ in } == nil)
        #expect(
            try stop { wal in
                wal.fillPage()
                wal.page()
            } == .zeroes
        )
        #expect(
            try stop { wal in
                wal.add(wal.record(10, 0, [UInt8](repeating: 1, count: 30_000)), limit: 8000)
                wal.fillPage()
                wal.page(flags: 1, remaining: 5)
            } == .brokenContinuation
        )
        #expect(
            try stop { wal in
                var record = wal.record(10, 0, [1, 2, 3])
                record[25] ^= 1
                wal.add(record)
            } == .wrongChecksum
        )
        #expect(
            try stop { wal in
                let stale = wal.record(10, 0, [1])
                wal.noise(10)
                wal.add(stale)
            } == .wrongPrevious
        )
        #expect(try stop { $0.add([7, 0, 0, 0, 0, 0, 0, 0]) } == .malformedRecord)
        #expect(
            try stop { wal in
                wal.add(wal.record(1, 0, [9, 9, 9, 9]))
            } == .malformedRecord
        )
        #expect(
            try stop { wal in
                wal.timeline = 0
                wal.noise(9000)
            } == .malformedPage
        )
        #expect(
            try stop { wal in
                wal.timeline = 2
                wal.noise(9000)
                wal.timeline = 1
                wal.noise(9000)
            } == .timelineWentBack
        )
    }

    @Test func `pages of another place, release or geometry are refused`() throws {
        var random = SeededRandom(seed: 10)
        var wal = try WALBuilder(start: LSN(1 << 20))
        wal.commit(xid: 3, time: 1)
        func reason(_ change: (inout [UInt8]) -> Void, at start: LSN) -> WALStop.Reason? {
            var bytes = wal.bytes
            change(&bytes)
            return walk(bytes, from: start, &random).walker.stop?.reason
        }
        #expect(reason({ _ in }, at: wal.start) == nil)
        #expect(reason({ _ in }, at: LSN(2 << 20)) == .wrongAddress(wal.start))
        #expect(reason({ $0[0] = 0x19 }, at: wal.start) == .unknownMagic(0xD119))
        #expect(reason({ $0[2] = 0x10 }, at: wal.start) == .malformedPage)
        #expect(reason({ $0[2] = 0 }, at: wal.start) == .malformedPage)
        #expect(reason({ $0[34] = 0x20 }, at: wal.start) == .wrongGeometry)
        #expect(reason({ $0[37] = 0x10 }, at: wal.start) == .wrongGeometry)
        var bytes = wal.bytes
        bytes[0] = 0x19
        let stop = try #require(walk(bytes, from: wal.start, &random).walker.stop)
        #expect(stop.error(.integrity).code == .sourceUnsupported && !stop.isOrdinaryEnd)
    }

    @Test func `random bytes behind a valid header never break the walker`() throws {
        var random = SeededRandom(stream: "wal fuzz")
        for _ in 0..<150 {
            var wal = try WALBuilder(start: LSN(1 << 20))
            wal.page(flags: 1, remaining: Int.random(in: 0...20_000, using: &random))
            wal.commit(xid: 3, time: 1)
            let bytes = mutated(wal.bytes + random.bytes(20_000), &random)
            let (walker, _) = walk(bytes, from: wal.start, slices: 1...10_000, &random)
            #expect(walker.validEnd.rawValue <= wal.start.rawValue + (1 << 20))
        }
    }

    @Test(arguments: Fixture.majors)
    func `a segment's header tells what the file really is`(major: Int) throws {
        let (start, bytes, _) = try recorded(major)
        func header(_ bytes: [UInt8]) throws -> SegmentHeader {
            try bytes.withUnsafeBytes { try SegmentHeader($0) }
        }
        let found = try header(Array(bytes.prefix(40)))
        #expect(found.start == start && found.majorVersion == major && found.timeline == 1)
        #expect(found.segmentSize == oneMegabyte)
        let system = found.systemIdentifier
        let segment = WALSegment(timeline: 1, containing: start, size: oneMegabyte)
        try found.verify(is: segment, of: system, majorVersion: major)
        // Right after a switch the first page is still of the timeline before.
        try found.verify(
            is: WALSegment(timeline: 2, containing: start, size: oneMegabyte),
            of: system
        )
        #expect(throws: PgkeepError.self) { try found.verify(is: segment.next, of: system) }
        #expect(throws: PgkeepError.self) {
            try found.verify(is: segment, of: system, majorVersion: major + 1)
        }
        let foreign = #expect(throws: PgkeepError.self) {
            try found.verify(is: segment, of: SystemIdentifier(1))
        }
        #expect(foreign?.code == .sourceForeign)
        #expect(throws: PgkeepError.self) { try header(Array(bytes.prefix(39))) }
        #expect(throws: PgkeepError.self) { try header([UInt8](repeating: 0, count: 40)) }
    }
}
