import Domain
import Platform
import Sealing
import Storage
import TestSupport
import Testing
import Vaulting

@Suite struct WALArchiveTests {
    private func seal(_ wal: WALFixture, _ segment: WALSegment, commits: UInt64 = 0) throws {
        let writer = try wal.writer(segment)
        try wal.feed(writer, [UInt8](repeating: UInt8(segment.number % 251), count: 1 << 20))
        var summary = WALSummary(start: segment.start)
        summary.commits = commits
        _ = try writer.finish(summary)
    }

    private func summarize(
        _ segment: WALSegment,
        _ read: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws -> WALSummary {
        var summary = WALSummary(start: segment.start)
        try read { summary.commits += UInt64($0.count) }
        return summary
    }

    @Test func `an empty archive says so`() throws {
        let wal = try WALFixture()
        let archive = try wal.archive()
        #expect(archive.segments.isEmpty && archive.storedBytes == 0)
        #expect(archive.resumption(on: .root(1)) == nil)
        #expect(try archive.durableEnd(of: 1, from: .zero) == nil)
        try ScratchDirectory.with { scratch in
            let path = scratch.file("x")
            let fetched = try wal.reader.fetch(wal.segment(9).name, to: path)
            #expect(fetched == nil)
            #expect(try FileSystem.list(scratch.path) == [])
        }
    }

    @Test func `segments, parts, tails and gaps are told apart`() throws {
        let wal = try WALFixture()
        for number in [UInt64(3), 4, 6] { try seal(wal, wal.segment(number), commits: number) }
        let part = try wal.writer(wal.segment(7))
        try wal.feed(part, [UInt8](repeating: 1, count: 1000))
        _ = try part.finishPart(WALSummary(start: wal.segment(7).start))
        let tail = try wal.writer(wal.segment(7, timeline: 2))
        try wal.feed(tail, [UInt8](repeating: 1, count: 3000))
        try tail.flush()
        _ = try wal.writer(wal.segment(8, timeline: 2))
        let archive = try wal.archive()
        #expect(archive.timelines == [1, 2] && archive.sealedCount == 3)
        let fork = TimelineHistory.Fork(timeline: 1, end: wal.segment(7).start + 1000)
        let resumed = archive.resumption(on: TimelineHistory(timeline: 2, forks: [fork]))
        #expect(resumed?.timeline == 2)
        #expect(resumed?.position == wal.segment(8).start)
        let early = TimelineHistory.Fork(timeline: 1, end: wal.segment(4).start + 1)
        let other = archive.resumption(on: TimelineHistory(timeline: 3, forks: [early]))
        #expect(other?.timeline == 1 && other?.position == wal.segment(4).end)
        #expect(archive.resumption(on: .root(3)) == nil)
        #expect(try archive.durableEnd(of: 1, from: wal.segment(3).start) == wal.segment(5).start)
        let end = wal.segment(7).start
        #expect(try archive.durableEnd(of: 1, from: wal.segment(6).start) == end + 1000)
        #expect(try archive.durableEnd(of: 2, from: end) == end + 3000)
        #expect(try archive.durableEnd(of: 2, from: end + 3000) == nil)
        let holdings = try archive.holdings(summarize: summarize)
        #expect(
            holdings.stretches(of: 1) == [
                wal.segment(3).start..<wal.segment(5).start, wal.segment(6).start..<end + 1000,
            ]
        )
        #expect(holdings.stretches(of: 2) == [end..<end + 3000])
        #expect(holdings.losses.isEmpty)
        #expect(try archive.info(of: wal.segment(4))?.summary?.commits == 4)
    }

    @Test func `many directories are read, and damage is a loss`() throws {
        let wal = try WALFixture()
        for number in 0..<100 { try seal(wal, wal.segment(UInt64(number))) }
        let name = WALObjectName(wal.system, segment: wal.segment(50).name, .sealed)
        let size = try #require(wal.store.peek(name.object)).count
        wal.store.corrupt(name.object, at: size - 100)
        let holdings = try wal.archive().holdings(summarize: summarize)
        #expect(holdings.losses.map(\.cause) == [.damaged])
        #expect(holdings.losses.first?.start == wal.segment(50).start)
        #expect(holdings.stretches(of: 1).count == 2)
        wal.store.setFaults { $0.operation == .getRange ? .refuse : nil }
        #expect(
            try thrownCode { _ = try wal.archive().holdings(summarize: summarize) }
                == .storeUnreachable
        )
    }

    @Test func `a fetch cut at a position is zeros behind it`() throws {
        let wal = try WALFixture()
        let segment = wal.segment(2)
        try seal(wal, segment)
        try ScratchDirectory.with { scratch in
            let path = scratch.file("RECOVERYXLOG")
            for cut in [UInt64(0), 1, 131_073, 1 << 20] {
                let fetched = try wal.reader.fetch(
                    segment.name,
                    to: path,
                    upTo: segment.start + cut
                )
                #expect(fetched?.length == cut)
                let bytes = try FileSystem.readFile(path)
                #expect(bytes.count == 1 << 20)
                #expect(isZero(bytes, from: Int(cut)))
                #expect(bytes[..<Int(cut)].allSatisfy { $0 == 2 })
            }
            #expect(try wal.reader.fetch(segment.name, to: path, upTo: .zero)?.length == 0)
        }
    }

    private func isZero(_ bytes: [UInt8], from start: Int) -> Bool {
        bytes.withUnsafeBytes { Platform.isZero(UnsafeRawBufferPointer(rebasing: $0[start...])) }
    }

    @Test func `a store out of reach is never taken for an empty archive`() throws {
        let wal = try WALFixture()
        try ScratchDirectory.with { scratch in
            for operation in [MemoryStore.Operation.head, .list] {
                wal.store.failOnce(.refuse) { $0.operation == operation }
                let code = try thrownCode {
                    _ = try wal.reader.fetch(wal.segment(0).name, to: scratch.file("x"))
                }
                #expect(code == .storeUnreachable)
            }
            #expect(try FileSystem.list(scratch.path) == [])
        }
    }

    @Test func `a journal published under the reader's eyes is found again`() throws {
        let wal = try WALFixture()
        let writer = Held(try wal.writer(wal.segment(0)))
        try wal.feed(writer.value, to: 1 << 20)
        try writer.value.flush()
        let isDone = Condition(false)
        wal.store.setFaults { call in
            guard call.operation == .getRange,
                !isDone.change({ done in
                    defer { done = true }
                    return done
                })
            else { return nil }
            do {
                _ = try writer.value.finish(WALSummary(start: .zero))
            } catch {
                Issue.record(error)
            }
            return nil
        }
        #expect(same(try wal.read(wal.segment(0)), wal.content(wal.segment(0))))
    }

    private final class Held: @unchecked Sendable {
        let value: WALJournalWriter
        init(_ value: WALJournalWriter) { self.value = value }
    }

    @Test func `histories are stored once and never contradicted`() throws {
        let wal = try WALFixture()
        let histories = TimelineArchive(wal.vault, wal.system)
        let content = Array("1\t0/5000000\tno recovery target specified\n".utf8)
        #expect(try histories.content(of: 2) == nil)
        #expect(try histories.store(2, content))
        #expect(try !histories.store(2, content))
        #expect(try histories.content(of: 2) == content)
        #expect(try histories.timelines() == [2])
        #expect(try histories.histories()[2]?.forks.map(\.end) == [LSN(0x5000000)])
        let other = Array("1\t0/6000000\tno recovery target specified\n".utf8)
        #expect(try thrownCode { try histories.store(2, other) } == .integrity)
        let child = Array("1\t0/6000000\tx\n2\t0/8000000\tx\n".utf8)
        #expect(try thrownCode { try histories.store(3, child) } == .integrity)
        #expect(try histories.timelines() == [2])
        #expect(try thrownCode { try histories.store(3, []) } == .sourceBroken)
        let name = ObjectName("c/\(wal.system.hex)/history/00000002.history")
        try expectEveryFlipFound(wal.store, name) { _ = try histories.content(of: 2) }
    }

    @Test func `a WAL key opens the WAL of its instance and nothing else`() throws {
        let wal = try WALFixture()
        try seal(wal, wal.segment(0))
        try TimelineArchive(wal.vault, wal.system)
            .store(2, Array("1\t0/5000000\treason\n".utf8))
        try ScratchDirectory.with { scratch in
            let path = scratch.file("wal.key")
            try WALKeyFile(wal.vault, wal.system).write(to: path)
            #expect(try FileSystem.info(path)?.mode == 0o600)
            let key = try WALKeyFile(path: path)
            let vault = try Vault.open(store: wal.store, walKey: key)
            let reader = WALSegmentReader(vault, key.systemIdentifier)
            let target = scratch.file("segment")
            #expect(try reader.fetch(wal.segment(0).name, to: target)?.isWhole == true)
            #expect(try TimelineArchive(vault, wal.system).content(of: 2) != nil)
            let other = WALSegmentReader(vault, SystemIdentifier(1))
            #expect(try other.length(of: wal.segment(0).name) == nil)
            #expect(
                try thrownCode { _ = try Lease.begin(vault, wal.system, kind: .restore) }
                    == .refused
            )
            #expect(try thrownCode { _ = try vault.keys.fingerprintKey() } == .refused)
            // Of another vault, damaged, or open to others: refused.
            let foreign = try WALFixture()
            #expect(
                try thrownCode { _ = try Vault.open(store: foreign.store, walKey: key) }
                    == .wrongKey
            )
            var bytes = try FileSystem.readFile(path)
            bytes[120] ^= 1
            try FileSystem.writeAtomically(path, bytes)
            #expect(try thrownCode { _ = try WALKeyFile(path: path) } == .wrongKey)
            bytes[120] ^= 1
            try FileSystem.writeAtomically(path, bytes, mode: 0o640)
            #expect(try thrownCode { _ = try WALKeyFile(path: path) } == .refused)
            #expect(try thrownCode { _ = try WALKeyFile(path: path + "x") } == .notFound)
        }
    }
}
