import Domain
import Platform
import Postgres
import Sealing
import TestSupport
import Testing

struct BackupManifestTests {
    private func read(
        _ bytes: [UInt8],
        slices: ClosedRange<Int> = 1...5000,
        _ random: inout SeededRandom
    ) throws -> (BackupManifest, [ManifestFile]) {
        var reader = BackupManifestReader(digest: .sha256)
        var files: [ManifestFile] = []
        try inSlices(bytes, of: slices, &random) { slice, _ in
            try reader.feed(slice) { files.append($0) }
        }
        return (try reader.finish(), files)
    }

    private func read(_ text: String) throws -> (BackupManifest, [ManifestFile]) {
        var random = SeededRandom(seed: 3)
        return try read(signed(text), &random)
    }

    /// The text, up to the comma before the last line, with the right last line.
    private func signed(_ text: String) -> [UInt8] {
        let body = Array((text + ",\n").utf8)
        let digest = SHA256.digest(body).map { byte in
            let digits = String(byte, radix: 16)
            return digits.utf8.count == 1 ? "0" + digits : digits
        }
        return body + Array("\"Manifest-Checksum\": \"\(digest.joined())\"}\n".utf8)
    }

    private func write(
        _ major: Int,
        _ system: SystemIdentifier?,
        _ ranges: [BackupManifest.WALRange],
        _ files: [ManifestFile]
    ) throws -> [UInt8] {
        var text: [UInt8] = []
        var writer = BackupManifestWriter(
            majorVersion: major,
            systemIdentifier: system ?? SystemIdentifier(1),
            digest: .sha256
        ) { text += Array($0) }
        for file in files { try writer.add(file) }
        try writer.finish(ranges)
        return text
    }

    @Test(arguments: [15, 18])
    func `a server's manifest is read, and written again byte for byte`(major: Int) throws {
        var random = SeededRandom(stream: "manifest \(major)")
        let bytes = try Fixture.bytes(major, "manifest")
        let (manifest, files) = try read(bytes, &random)
        #expect(manifest.version == (major >= 17 ? 2 : 1))
        #expect((manifest.systemIdentifier != nil) == (major >= 17))
        #expect(files.count == (major == 15 ? 674 : 676) && manifest.files == UInt64(files.count))
        let start = try #require(LSN(major == 15 ? "0/E00028" : "0/D00028"))
        #expect(manifest.walRanges.map(\.start) == [start])
        let control = try #require(files.first { $0.path == Array("global/pg_control".utf8) })
        let content = try Fixture.bytes(major, "control")
        #expect(control.size == 8192)
        #expect(control.crc32c == content.withUnsafeBytes { CRC32C.of($0) })
        #expect(try write(major, manifest.systemIdentifier, manifest.walRanges, files) == bytes)
    }

    @Test func `a manifest fed byte by byte reads the same`() throws {
        var random = SeededRandom(seed: 4)
        let bytes = try Fixture.bytes(18, "manifest")
        let whole = try read(bytes, slices: 1_000_000...1_000_000, &random)
        let single = try read(bytes, slices: 1...1, &random)
        #expect(whole.0 == single.0 && whole.1 == single.1)
    }

    @Test func `names with quotes, controls and no valid text survive`() throws {
        var random = SeededRandom(seed: 5)
        let names: [[UInt8]] = [
            Array("a \"quoted\" \\ name\n\u{1}ä\u{1F600}".utf8), [0xff, 0x00, 0x80], [0x41],
        ]
        let files = names.enumerated().map { index, name in
            ManifestFile(
                path: name,
                size: UInt64(index) << 40,
                modified: index == 1 ? nil : Timestamp(seconds: 1_700_000_000),
                crc32c: index == 2 ? nil : 0x1E5F_C5DA
            )
        }
        let ranges = [
            BackupManifest.WALRange(timeline: 2, start: LSN(200), end: LSN(300)),
            BackupManifest.WALRange(timeline: 1, start: LSN(100), end: LSN(200)),
        ]
        let system = SystemIdentifier(UInt64.max)
        let bytes = try write(17, system, ranges, files)
        #expect(String(decoding: bytes, as: UTF8.self).contains("\"dac55f1e\""))
        let (found, foundFiles) = try read(bytes, &random)
        #expect(found.systemIdentifier == system && found.walRanges == ranges)
        #expect(foundFiles == files)
    }

    @Test func `escapes of every kind are understood`() throws {
        let name = #"\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00"#
        let (_, files) = try read(
            """
            { "PostgreSQL-Backup-Manifest-Version": 1,
            "Files": [ { "Path": "\(name)", "Size": 0 } ], "WAL-Ranges": []
            """
        )
        #expect(files[0].path == Array("\"\\/\u{8}\u{c}\n\r\tä😀".utf8))
    }

    static let wrong: [String] = {
        let version = "\"PostgreSQL-Backup-Manifest-Version\": 1"
        let rest = "\"Files\": [], \"WAL-Ranges\": []"
        func file(_ text: String) -> String {
            "{ \(version), \"Files\": [ \(text) ], \"WAL-Ranges\": []"
        }
        func range(_ text: String) -> String {
            "{ \(version), \"Files\": [], \"WAL-Ranges\": [ \(text) ]"
        }
        return [
            "{ \(rest)", "{ \(rest), \(version)", "{ \(version), \(rest), \"More\": 1",
            "{ \"PostgreSQL-Backup-Manifest-Version\": 3, \(rest)",
            "{ \"PostgreSQL-Backup-Manifest-Version\": 2, \(rest)",
            "{ \"PostgreSQL-Backup-Manifest-Version\": \"1\", \(rest)",
            "{ \(version), \(version), \(rest)", "{ \(version), \"Files\": []",
            "{ \(version), \"System-Identifier\": 5, \(rest)",
            file("{ \"Size\": 1 }"), file("{ \"Path\": \"a\" }"), file("{}"), file("1"), file("[]"),
            file("{ \"Path\": \"a\", \"Size\": -1 }"), file("{ \"Path\": \"a\", \"Size\": 1.5 }"),
            file("{ \"Path\": \"a\", \"Size\": 99999999999999999999 }"),
            file("{ \"Path\": \"a\", \"Path\": \"a\", \"Size\": 1 }"),
            file("{ \"Path\": \"a\", \"Encoded-Path\": \"41\", \"Size\": 1 }"),
            file("{ \"Encoded-Path\": \"4\", \"Size\": 1 }"),
            file("{ \"Encoded-Path\": \"4x\", \"Size\": 1 }"),
            file("{ \"Path\": \"a\", \"Size\": 1, \"Other\": \"x\" }"),
            file("{ \"Path\": \"a\", \"Size\": 1, \"Checksum\": \"00\" }"),
            file("{ \"Path\": \"a\", \"Size\": 1, \"Last-Modified\": \"yesterday\" }"),
            file("{ \"Path\": \"\\ud83d\", \"Size\": 1 }"),
            file("{ \"Path\": \"\\udc00\", \"Size\": 1 }"),
            file("{ \"Path\": \"\\x\", \"Size\": 1 }"),
            file("{ \"Path\": \"a\", \"Size\": 1 },"), file("{ \"Path\": \"a\", \"Size\": 1 } {}"),
            range("{ \"Timeline\": 1, \"Start-LSN\": \"0/0\" }"),
            range("{ \"Timeline\": 0, \"Start-LSN\": \"0/0\", \"End-LSN\": \"0/0\" }"),
            range("{ \"Timeline\": 1, \"Start-LSN\": \"0\", \"End-LSN\": \"0/0\" }"),
            "{ \(version), \"Files\": {}, \"WAL-Ranges\": []", "[", "", "{ \(version), true",
        ]
    }()

    @Test(arguments: wrong)
    func `what PostgreSQL would refuse is refused`(text: String) {
        #expect(throws: PgkeepError.self) { try read(text) }
    }

    @Test func `a changed, cut or rearranged manifest does not match its checksum`() throws {
        var random = SeededRandom(stream: "manifest damage")
        let bytes = try Fixture.bytes(15, "manifest")
        #expect(throws: PgkeepError.self) { try read(Array(bytes.dropLast()), &random) }
        #expect(throws: PgkeepError.self) { try read(bytes + [0x0a], &random) }
        #expect(throws: PgkeepError.self) { try read(Array(bytes.dropLast(200)), &random) }
        for _ in 0..<40 {
            var flipped = bytes
            let at = Int.random(in: 0..<bytes.count, using: &random)
            flipped[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            // Upper and lower case of the checksum's own digits mean the same.
            let isCase = at > bytes.count - 70 && flipped[at] ^ bytes[at] == 0x20
            guard !isCase else { continue }
            #expect(throws: PgkeepError.self, "byte \(at)") { try read(flipped, &random) }
        }
    }

    @Test func `mutated manifests never break the reader`() throws {
        var random = SeededRandom(stream: "manifest fuzz")
        let head = try Fixture.bytes(18, "manifest").prefix(900)
        let tail = try Fixture.bytes(18, "manifest").suffix(500)
        for _ in 0..<800 {
            let bytes = mutated(Array(head + tail), &random)
            do { _ = try read(bytes, &random) } catch { #expect(error is PgkeepError) }
        }
    }

    @Test func `a value without end is refused before it fills memory`() {
        var reader = BackupManifestReader(digest: .sha256)
        let endless = [UInt8](repeating: 0x61, count: 100_000)
        #expect(throws: PgkeepError.self) {
            try Array("{ \"".utf8).withUnsafeBytes { try reader.feed($0) { _ in } }
            try endless.withUnsafeBytes { try reader.feed($0) { _ in } }
        }
        var spaces = BackupManifestReader(digest: .sha256)
        let blank = [UInt8](repeating: 0x20, count: 1 << 20)
        #expect(throws: PgkeepError.self) {
            for _ in 0..<64 { try blank.withUnsafeBytes { try spaces.feed($0) { _ in } } }
        }
    }
}
