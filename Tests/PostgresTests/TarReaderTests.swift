import Domain
import Platform
import Postgres
import TestSupport
import Testing

struct TarReaderTests {
    /// Everything an archive says, with whole bodies.
    private func members(
        _ bytes: [UInt8],
        slices: ClosedRange<Int>,
        _ random: inout SeededRandom
    ) throws -> [(entry: TarEntry, body: [UInt8])] {
        var reader = TarReader()
        var members: [(entry: TarEntry, body: [UInt8])] = []
        var isOpen = false
        try inSlices(bytes, of: slices, &random) { slice, _ in
            try reader.feed(slice) { event in
                switch event {
                case .entry(let entry):
                    #expect(!isOpen)
                    isOpen = true
                    members.append((entry, []))
                case .data(let data):
                    #expect(isOpen && data.count > 0)
                    members[members.count - 1].body += Array(data)
                case .endEntry:
                    #expect(isOpen)
                    isOpen = false
                }
            }
        }
        try reader.finish()
        #expect(!isOpen && reader.position == UInt64(bytes.count))
        for member in members { #expect(UInt64(member.body.count) == member.entry.size) }
        return members
    }

    private func error(_ bytes: [UInt8]) -> PgkeepError? {
        var random = SeededRandom(seed: 1)
        do {
            _ = try members(bytes, slices: 1...700, &random)
            return nil
        } catch { return error as? PgkeepError }
    }

    @Test(arguments: Fixture.majors)
    func `the head of a server's archive is read in slices of any length`(major: Int) throws {
        var random = SeededRandom(stream: "tar \(major)")
        let bytes = try Fixture.bytes(major, "tar")
        let expected = try Fixture.lines(major, "tar.txt").map(String.init)
        for slices in [1...1, 1...600, 511...513, 100_000...100_000] {
            let members = try members(bytes, slices: slices, &random)
            let found = members.map { member in
                let kind =
                    switch member.entry.kind {
                    case .file: "f"
                    case .directory: "d"
                    case .symbolicLink: "l"
                    }
                let mode = String(member.entry.mode, radix: 8)
                let path = member.entry.path ?? "?"
                return "\(kind) \(mode) \(member.entry.size) \(member.entry.modified) \(path)"
            }
            #expect(found == expected)
            let label = try #require(members.first { $0.entry.path == "backup_label" })
            #expect(try BackupLabel(label.body).label == "a label: \"x\"")
            let version = try #require(members.first { $0.entry.path == "PG_VERSION" })
            #expect(version.body == Array("\(major)\n".utf8))
        }
    }

    @Test func `a leading dot is dropped once, links and raw names are kept`() throws {
        var random = SeededRandom(seed: 2)
        var tar = TarBuilder()
        tar.directory("./pg_wal/archive_status/")
        tar.link("pg_tblspc/16385/", to: "/srv/fern")
        tar.file([0xff, 0xfe, 0x41], [1, 2, 3])
        tar.file("empty", [])
        tar.file("full", [UInt8](repeating: 7, count: 1024))
        for _ in 0..<2 {
            let members = try members(tar.bytes, slices: 1...100, &random)
            #expect(members.count == 5)
            #expect(members[0].entry.path == "pg_wal/archive_status")
            #expect(members[0].entry.kind == .directory)
            #expect(members[1].entry.path == "pg_tblspc/16385")
            #expect(members[1].entry.kind == .symbolicLink)
            #expect(members[1].entry.linkTarget == Array("/srv/fern".utf8))
            #expect(members[2].entry.path == nil)
            #expect(members[2].entry.pathBytes == [0xff, 0xfe, 0x41])
            #expect(members[2].body == [1, 2, 3])
            #expect(members[3].body == [] && members[4].body.count == 1024)
            // Servers from 15 on send the trailer, earlier ones do not.
            tar.trailer()
        }
    }

    @Test func `an archive without members is complete`() throws {
        #expect(error([]) == nil)
        #expect(error([UInt8](repeating: 0, count: 1024)) == nil)
    }

    @Test(arguments: [8 << 30, (8 << 30) - 1, 123_456_789_012, 1 << 54] as [UInt64])
    func `sizes of any magnitude are read`(size: UInt64) throws {
        var reader = TarReader()
        var found: UInt64?
        try TarBuilder.header(Array("big".utf8), size: size).withUnsafeBytes {
            try reader.feed($0) { event in
                if case .entry(let entry) = event { found = entry.size }
            }
        }
        #expect(found == size)
        #expect(throws: PgkeepError.self) { try reader.finish() }
    }

    @Test(
        arguments: [
            "/etc/passwd", "..", "../x", "a/../b", "a/..", "", "./", "a//b", "./../x", ".//x",
            "././x", "a/", "a/./b", ".",
        ])
    func `a hostile name is refused`(name: String) {
        var tar = TarBuilder()
        tar.file(name, [1])
        #expect(error(tar.bytes)?.code == .sourceBroken)
    }

    @Test func `unknown types, sizes where none may be and wrong checksums are refused`() {
        let name = Array("x".utf8)
        for type in [0, 0x31, 0x33, 0x34, 0x36, 0x37, 0x78, 0x67, 0x4c, 0x4b] as [UInt8] {
            #expect(error(TarBuilder.header(name, type: type)) != nil)
        }
        #expect(error(TarBuilder.header(name, type: 0x35, size: 1)) != nil)
        #expect(error(TarBuilder.header(name, type: 0x32, size: 0)) != nil)
        #expect(error(TarBuilder.header(name) { $0[345] = 0x70 }) != nil)
        #expect(error(TarBuilder.header(name) { $0[257] = 0x70 }) != nil)
        #expect(error(TarBuilder.header(name) { $0[124] = 0xff }) != nil)
        #expect(error(TarBuilder.header(name) { $0[124] = 0x39 }) != nil)
        var flipped = TarBuilder.header(name)
        #expect(error(flipped) == nil)
        flipped[0] ^= 1
        #expect(error(flipped) != nil)
    }

    @Test func `an archive cut anywhere but between members is refused`() {
        var tar = TarBuilder()
        tar.file("a", [UInt8](repeating: 1, count: 700))
        tar.directory("d/")
        let ends = [0, 1536, 2048]
        for length in stride(from: 0, through: tar.bytes.count, by: 64) {
            let found = error(Array(tar.bytes[..<length]))
            #expect((found == nil) == ends.contains(length), "cut at \(length)")
        }
        tar.trailer()
        #expect(error(tar.bytes + [1]) != nil)
    }

    @Test func `mutated archives never break the reader`() throws {
        var random = SeededRandom(stream: "tar fuzz")
        let seeds = try Fixture.majors.map { try Fixture.bytes($0, "tar") }
        var refused = 0
        for round in 0..<600 {
            let bytes = mutated(seeds[round % seeds.count], &random)
            var passed = 0
            do {
                var reader = TarReader()
                try inSlices(bytes, of: 1...2000, &random) { slice, _ in
                    try reader.feed(slice) { event in
                        if case .data(let data) = event { passed += data.count }
                    }
                }
                try reader.finish()
            } catch { refused += 1 }
            #expect(passed <= bytes.count)
        }
        #expect(refused > 50)
    }
}
