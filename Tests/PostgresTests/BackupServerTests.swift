import Domain
import Platform
import Postgres
import TestSupport
import Testing

/// The readers and writers of a base backup's files against what real servers send and accept.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct BackupServerTests {
    private struct Archive {
        var files: [String: (size: UInt64, crc: UInt32)] = [:]
        var links: [String: [UInt8]] = [:]
        var kept: [String: [UInt8]] = [:]
        var pages = 0
        var badPages: [String] = []
    }

    private static let kept = ["backup_label", "tablespace_map", "global/pg_control"]

    /// Reads an archive, checks each page of each relation in it, and sums up each file.
    private func read(
        _ path: String,
        prefix: String,
        _ random: inout SeededRandom
    ) throws -> Archive {
        let bytes = try FileSystem.readFile(path)
        var archive = Archive()
        var reader = TarReader()
        var current = ""
        var relation: RelationPath?
        var page: [UInt8] = []
        var block: UInt32 = 0
        try inSlices(bytes, of: 1...300_000, &random) { slice, _ in
            try reader.feed(slice) { event in
                switch event {
                case .entry(let entry):
                    current = prefix + entry.displayPath
                    page = []
                    block = 0
                    relation = RelationPath(Array(current.utf8))
                    if entry.kind == .symbolicLink { archive.links[current] = entry.linkTarget }
                    if entry.kind == .file { archive.files[current] = (0, 0) }
                    if relation != nil { #expect(entry.size % 8192 == 0, "\(current)") }
                case .data(let data):
                    let (size, crc) = archive.files[current] ?? (0, 0)
                    archive.files[current] = (
                        size + UInt64(data.count), CRC32C.of(data, from: crc)
                    )
                    if Self.kept.contains(current) { archive.kept[current, default: []] += data }
                    guard let relation else { return }
                    page += data
                    while page.count >= 8192 {
                        let verdict = page.withUnsafeBytes {
                            PageChecksum.verify(
                                UnsafeRawBufferPointer(rebasing: $0[..<8192]),
                                block: relation.firstBlock + block
                            )
                        }
                        if verdict != .sound && verdict != .new {
                            archive.badPages.append("\(current) \(block): \(verdict)")
                        }
                        archive.pages += 1
                        block += 1
                        page.removeFirst(8192)
                    }
                case .endEntry: break
                }
            }
        }
        try reader.finish()
        return archive
    }

    private func manifest(_ path: String) throws -> (BackupManifest, [ManifestFile]) {
        var reader = BackupManifestReader(digest: .sha256)
        var files: [ManifestFile] = []
        try FileSystem.readFile(path).withUnsafeBytes { try reader.feed($0) { files.append($0) } }
        return (try reader.finish(), files)
    }

    @Test(arguments: [15, 16, 18])
    func `every file of a real backup has the size and checksum its manifest says`(
        major: Int
    ) throws {
        var random = SeededRandom(stream: "backup \(major)")
        try PostgresServer.with(.required(major)) { server, scratch in
            let directory = try server.createTablespace("far away")
            try server.psql(
                """
                create table t tablespace "far away" as select generate_series(1, 5000) a;
                checkpoint;
                """
            )
            let oid = try server.psql("select oid from pg_tablespace where spcname = 'far away'")
            let out = try scratch.serverDirectory("out")
            try server.check(
                "pg_basebackup",
                ["-Ft", "-D", out, "-d", server.conninfo, "-X", "none", "-c", "fast"]
            )
            var archive = try read(out + "/base.tar", prefix: "", &random)
            let space = "pg_tblspc/\(oid)"
            let far = try read("\(out)/\(oid).tar", prefix: space + "/", &random)
            #expect(archive.badPages + far.badPages == [] && archive.pages > 1000)
            // With a tablespace_map the links themselves are not sent.
            #expect(far.pages > 10 && archive.links.isEmpty)
            archive.files.merge(far.files) { $1 }

            let (manifest, files) = try manifest(out + "/backup_manifest")
            for file in files {
                let path = String(decoding: file.path, as: UTF8.self)
                let found = archive.files.removeValue(forKey: path)
                #expect(found?.size == file.size && found?.crc == file.crc32c, "\(path)")
            }
            #expect(archive.files.isEmpty, "in the archive but not in the manifest")
            let label = try BackupLabel(try #require(archive.kept["backup_label"]))
            #expect(manifest.walRanges.map(\.start) == [label.start] && label.timeline == 1)
            let map = try TablespaceMap(
                try #require(archive.kept["tablespace_map"]),
                majorVersion: major
            )
            #expect(map.entries.map(\.path) == [Array(directory.utf8)])
            #expect(archive.kept["tablespace_map"] == map.encoded(majorVersion: major))
            let control = try #require(archive.kept["global/pg_control"])
            let parsed = try control.withUnsafeBytes { try ControlFile($0) }
            #expect(parsed.systemIdentifier.rawValue == (try server.systemIdentifier()))
            #expect(parsed.majorVersion == major && parsed.checkpointCopy.redo == label.start)
        }
    }

    @Test(arguments: [15, 16, 18])
    func `pg_verifybackup accepts a manifest written here, and finds a wrong one`(
        major: Int
    ) throws {
        try PostgresServer.with(.required(major)) { server, scratch in
            try server.psql("create database \"Datenbank mit ä und \"\"\"")
            let copy = try scratch.serverDirectory("copy")
            try server.check(
                "pg_basebackup",
                ["-D", copy, "-d", server.conninfo, "-X", "none", "-c", "fast"]
            )
            let path = copy + "/backup_manifest"
            let (manifest, files) = try manifest(path)
            let system = SystemIdentifier(try server.systemIdentifier())
            func verify(_ change: (inout ManifestFile) -> Void) throws -> CommandResult {
                var text: [UInt8] = []
                var writer = BackupManifestWriter(
                    majorVersion: major,
                    systemIdentifier: system,
                    digest: .sha256
                ) { text += Array($0) }
                for var file in files {
                    change(&file)
                    try writer.add(file)
                }
                try writer.finish(manifest.walRanges)
                try FileSystem.writeAtomically(path, text, mode: 0o644)
                return try server.run("pg_verifybackup", ["-n", copy])
            }
            let good = try verify { _ in }
            #expect(good.succeeded, "\(good.errors)")
            let bad = try verify { file in
                if file.path == Array("PG_VERSION".utf8) { file.checksum[0] ^= 1 }
            }
            #expect(!bad.succeeded && bad.errors.contains("PG_VERSION"))
        }
    }
}
