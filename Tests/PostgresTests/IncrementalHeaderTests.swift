import Domain
import Postgres
import TestSupport
import Testing

/// The bytes of an incremental file, built as the server builds them, and all the ways in which
/// they can be wrong.
struct IncrementalHeaderTests {
    private static func bytes(_ numbers: [UInt32]) -> [UInt8] {
        numbers.flatMap { number in (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) } }
    }

    /// A whole file; each block is filled with the low byte of its number.
    private static func file(
        _ blocks: [UInt32],
        truncation: UInt32,
        magic: UInt32 = 0xd3ae_1f0d,
        count: UInt32? = nil
    ) -> [UInt8] {
        var bytes = bytes([magic, count ?? UInt32(blocks.count), truncation] + blocks)
        guard !blocks.isEmpty else { return bytes }
        bytes += [UInt8](repeating: 0, count: (8192 - bytes.count % 8192) % 8192)
        for block in blocks {
            bytes += [UInt8](repeating: UInt8(truncatingIfNeeded: block), count: 8192)
        }
        return bytes
    }

    /// Reads a file in slices; the header and the bytes left over.
    private static func read(
        _ file: [UInt8],
        declared: Int? = nil,
        _ random: inout SeededRandom
    ) throws -> (IncrementalHeader?, rest: [UInt8]) {
        var reader = IncrementalHeaderReader(fileBytes: UInt64(declared ?? file.count))
        var rest: [UInt8] = []
        let longest = [1, 13, 5000, 100_000].randomElement(using: &random) ?? 1
        try inSlices(file, of: 1...longest, &random) { slice, _ in
            let taken = try reader.feed(slice)
            rest += slice[taken...]
        }
        try reader.finish()
        return (reader.header, rest)
    }

    /// 2045 numbers fill the first page exactly.
    @Test(arguments: [0, 1, 2, 2044, 2045, 2046, 4092, 4093, 4094])
    func `a header is read, and the blocks are left`(count: Int) throws {
        var random = SeededRandom(stream: "header \(count)")
        let blocks = Set(
            (0..<count * 2).map { _ in UInt32.random(in: 0..<131_072, using: &random) }
        )
        .sorted().prefix(count)
        let truncation = UInt32.random(in: 0...131_072, using: &random)
        let file = Self.file(Array(blocks), truncation: truncation)
        let (header, rest) = try Self.read(file, &random)
        #expect(header?.blocks == Array(blocks) && header?.truncationLength == truncation)
        #expect(header?.length == max(Int(truncation), Int(blocks.last.map { $0 + 1 } ?? 0)))
        #expect(rest.count == blocks.count * 8192)
        for (index, block) in blocks.enumerated() {
            #expect(rest[index * 8192] == UInt8(truncatingIfNeeded: block))
        }
    }

    @Test func `a whole segment may be listed`() throws {
        let blocks = Array(UInt32(0)..<131_072)
        let head = Self.bytes([0xd3ae_1f0d, 131_072, 0] + blocks)
        let padded = (head.count + 8191) / 8192 * 8192
        var reader = IncrementalHeaderReader(fileBytes: UInt64(padded) + 131_072 * 8192)
        let filled = head + [UInt8](repeating: 0, count: padded - head.count + 1)
        let taken = try filled.withUnsafeBytes { try reader.feed($0) }
        #expect(taken == padded && reader.header?.blocks == blocks)
        #expect(reader.header?.length == 131_072)
    }

    @Test func `a truncation length of more than a segment is cut`() throws {
        var random = SeededRandom(stream: "truncation")
        let (header, _) = try Self.read(Self.file([], truncation: 300_000), &random)
        #expect(header?.truncationLength == 131_072)
    }

    @Test func `what no server sends is refused`() {
        var random = SeededRandom(stream: "hostile")
        let wrong: [(String, [UInt8], Int?)] = [
            ("empty", [], nil),
            ("short", Array(Self.file([], truncation: 1).dropLast()), nil),
            ("magic", Self.file([1], truncation: 1, magic: 0xd3ae_1f0e), nil),
            ("swapped magic", Self.file([1], truncation: 1, magic: 0x0d1f_aed3), nil),
            ("trailing byte", Self.file([], truncation: 1) + [0], nil),
            ("not ascending", Self.file([5, 4], truncation: 9), nil),
            ("twice", Self.file([4, 4], truncation: 9), nil),
            ("beyond the segment", Self.file([131_072], truncation: 9), nil),
            ("far beyond", Self.file([.max], truncation: 9), nil),
            ("too many", Self.bytes([0xd3ae_1f0d, 131_073, 0]), 8192 * 200_000),
            ("very many", Self.bytes([0xd3ae_1f0d, .max, 0]), .max),
            ("fewer than there are", Self.file([1, 2], truncation: 9, count: 1), nil),
            ("more than there are", Self.file([1, 2], truncation: 9, count: 3), nil),
            ("unpadded", Self.bytes([0xd3ae_1f0d, 1, 0, 0]), 16 + 8192),
            ("ends in the list", Array(Self.file([1, 2], truncation: 9).prefix(17)), 3 * 8192),
            ("ends in the filling", Array(Self.file([1], truncation: 9).prefix(100)), 2 * 8192),
        ]
        for (name, file, declared) in wrong {
            let error = failure { _ = try Self.read(file, declared: declared, &random) }
            #expect(error?.code == .sourceIncremental, "\(name)")
        }
    }

    @Test func `mutated files never break the reader`() {
        var random = SeededRandom(stream: "incremental fuzz")
        let files = [[], [0], [1, 2, 900], Array(0..<3000)].map {
            Self.file($0, truncation: 40)
        }
        var readable = 0
        for _ in 0..<2000 {
            let file = files.randomElement(using: &random) ?? []
            let changed = mutated(Array(file.prefix(20_000)), &random)
            let declared = Bool.random(using: &random) ? file.count : changed.count
            guard let header = try? Self.read(changed, declared: declared, &random).0 else {
                continue
            }
            readable += 1
            #expect(header.length <= 131_072)
            #expect(zip(header.blocks, header.blocks.dropFirst()).allSatisfy { $0 < $1 })
        }
        #expect(readable > 50)
    }

    @Test func `only files of relations are sent as changes`() {
        func target(_ path: String) -> String? {
            IncrementalHeader.target(of: Array(path.utf8)).map {
                String(decoding: $0, as: UTF8.self)
            }
        }
        #expect(target("base/5/INCREMENTAL.16384") == "base/5/16384")
        #expect(target("base/5/INCREMENTAL.16384_init.2") == "base/5/16384_init.2")
        #expect(target("global/INCREMENTAL.1262") == "global/1262")
        #expect(
            target("pg_tblspc/16400/PG_18_202506291/5/INCREMENTAL.1.7")
                == "pg_tblspc/16400/PG_18_202506291/5/1.7"
        )
        for path in [
            "INCREMENTAL.config", "INCREMENTAL.16384", "base/5/16384", "base/5/INCREMENTAL.x",
            "base/5/INCREMENTAL.", "pg_xact/INCREMENTAL.0000", "base/INCREMENTAL.5/16384",
            "base/5/incremental.16384", "base/5/INCREMENTAL.INCREMENTAL.16384",
        ] {
            #expect(target(path) == nil, "\(path)")
        }
    }
}
