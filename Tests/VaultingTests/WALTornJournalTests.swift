import Domain
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

@Suite struct WALTornJournalTests {
    private static let chunks: [UInt64] = [700, 1, 1300, 90, 2500, 64, 3000]

    /// A journal of a few small frames; the object lengths after each with the WAL bytes before.
    private func journal(_ wal: WALFixture) throws -> (WALObjectName, [(bytes: Int, wal: Int)]) {
        let writer = try wal.writer(wal.segment(0))
        var ends: [(bytes: Int, wal: Int)] = []
        var offset: UInt64 = 0
        for chunk in Self.chunks {
            offset += chunk
            try wal.feed(writer, to: offset)
            try writer.flush()
            let size = try #require(wal.store.peek(writer.name.object)).count
            ends.append((size, Int(offset)))
        }
        return (writer.name, ends)
    }

    private func whole(_ ends: [(bytes: Int, wal: Int)], in length: Int) -> Int {
        ends.last { $0.bytes <= length }?.wal ?? 0
    }

    @Test func `a journal cut at any byte gives its whole frames`() throws {
        let wal = try WALFixture()
        let (name, ends) = try journal(wal)
        let bytes = try #require(wal.store.peek(name.object))
        for length in 0...bytes.count {
            wal.store.overwrite(name.object, with: Array(bytes[..<length]))
            let found = try wal.read(wal.segment(0)) ?? []
            #expect(same(found, wal.bytes(.zero, whole(ends, in: length))), "cut at \(length)")
        }
    }

    @Test func `blocks lost in a power cut are a torn end`() throws {
        let wal = try WALFixture()
        let (name, ends) = try journal(wal)
        let bytes = try #require(wal.store.peek(name.object))
        let starts = Array(stride(from: 0, to: bytes.count, by: 512)) + ends.map(\.bytes)
        for start in starts {
            let zeros = [UInt8](repeating: 0, count: bytes.count - start)
            wal.store.overwrite(name.object, with: Array(bytes[..<start]) + zeros)
            let found = try wal.read(wal.segment(0)) ?? []
            #expect(same(found, wal.bytes(.zero, whole(ends, in: start))), "zeros from \(start)")
        }
    }

    @Test func `any flipped bit of a journal is damage, never a shorter journal`() throws {
        let wal = try WALFixture()
        let (name, ends) = try journal(wal)
        let bytes = try #require(wal.store.peek(name.object))
        // What is clear is tried bit by bit, what is sealed byte by byte.
        let clear = Set(0..<80).union(ends.flatMap { $0.bytes..<$0.bytes + 16 })
        for offset in bytes.indices {
            for bit in clear.contains(offset) ? 0..<8 : offset % 8..<offset % 8 + 1 {
                wal.store.corrupt(name.object, at: offset, xor: 1 << bit)
                let code = try thrownCode { _ = try wal.reader.length(of: wal.segment(0).name) }
                #expect(
                    code == .integrity || code == .vaultVersion || code == .wrongKey,
                    "bit \(bit) of byte \(offset): \(code.map(\.name) ?? "accepted")"
                )
                wal.store.corrupt(name.object, at: offset, xor: 1 << bit)
            }
        }
        #expect(try wal.reader.length(of: wal.segment(0).name) == Self.chunks.reduce(0, +))
    }

    @Test func `a bad frame before good ones is damage`() throws {
        let wal = try WALFixture()
        let (name, ends) = try journal(wal)
        let bytes = try #require(wal.store.peek(name.object))
        // A hole where a frame was, and a frame that was taken out.
        var hole = bytes
        for offset in ends[1].bytes..<ends[2].bytes { hole[offset] = 0 }
        let removed = Array(bytes[..<ends[1].bytes]) + Array(bytes[ends[2].bytes...])
        for damaged in [hole, removed] {
            wal.store.overwrite(name.object, with: damaged)
            let code = try thrownCode { _ = try wal.reader.length(of: wal.segment(0).name) }
            #expect(code == .integrity)
        }
    }

    @Test(arguments: [false, true])
    func `any flipped byte of a finished object is found`(isPart: Bool) throws {
        let wal = try WALFixture()
        let writer = try wal.writer(wal.segment(0))
        var name = WALObjectName(wal.system, segment: wal.segment(0).name, .sealed)
        if isPart {
            try wal.feed(writer, to: 5000)
            _ = try writer.finishPart(WALSummary(start: .zero))
            name.form = .part(length: 5000)
        } else {
            // All zeros: a whole segment of few bytes, so that every one can be tried.
            try wal.feed(writer, [UInt8](repeating: 0, count: 1 << 20))
            _ = try writer.finish(WALSummary(start: .zero))
        }
        let bytes = try #require(wal.store.peek(name.object))
        for offset in bytes.indices {
            wal.store.corrupt(name.object, at: offset, xor: UInt8(1 << (offset % 8)))
            let code = try thrownCode { _ = try wal.reader.length(of: wal.segment(0).name) }
            #expect(
                code == .integrity || code == .vaultVersion || code == .wrongKey,
                "byte \(offset): \(code.map(\.name) ?? "accepted")"
            )
            wal.store.corrupt(name.object, at: offset, xor: UInt8(1 << (offset % 8)))
        }
        for length in [0, 1, 63, 64, 65, bytes.count / 2, bytes.count - 33, bytes.count - 1] {
            wal.store.overwrite(name.object, with: Array(bytes[..<length]))
            let code = try thrownCode { _ = try wal.reader.length(of: wal.segment(0).name) }
            #expect(code == .integrity, "cut at \(length)")
        }
        wal.store.overwrite(name.object, with: bytes + [0])
        #expect(try thrownCode { _ = try wal.read(wal.segment(0)) } == .integrity)
    }

    @Test func `objects swapped between segments and systems are found`() throws {
        let wal = try WALFixture(segments: 2)
        for number in [UInt64(0), 1] {
            let writer = try wal.writer(wal.segment(number))
            try wal.feed(writer, to: 1 << 20)
            _ = try writer.finish(WALSummary(start: wal.segment(number).start))
        }
        let names = wal.names().map(\.object)
        let first = try #require(wal.store.peek(names[0]))
        wal.store.overwrite(names[1], with: first)
        #expect(try thrownCode { _ = try wal.read(wal.segment(1)) } == .integrity)
        let other = SystemIdentifier(42)
        let moved = WALObjectName(other, segment: wal.segment(0).name, .sealed)
        wal.store.overwrite(moved.object, with: first)
        let reader = WALSegmentReader(wal.vault, other)
        #expect(try thrownCode { _ = try reader.length(of: wal.segment(0).name) } == .integrity)
        // A segment's bytes under a journal's or part's name are not taken for one either.
        let part = WALObjectName(wal.system, segment: wal.segment(1).name, .part(length: 100))
        wal.store.overwrite(part.object, with: try #require(wal.store.peek(names[0])))
        wal.store.lose(names[1])
        #expect(try thrownCode { _ = try wal.read(wal.segment(1)) } == .integrity)
    }
}
