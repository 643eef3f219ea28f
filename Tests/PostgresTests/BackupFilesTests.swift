import Domain
import Postgres
import TestSupport
import Testing

struct BackupFilesTests {
    static let label = """
        START WAL LOCATION: 16/B374D848 (file 000000010000001600000003)
        CHECKPOINT LOCATION: 16/B374D8A0
        BACKUP METHOD: streamed
        BACKUP FROM: standby
        START TIME: 2026-11-21 08:09:06 CET
        LABEL: INCREMENTAL FROM LSN: 0/1
        START TIMELINE: 3

        """

    @Test func `a label is read`() throws {
        let label = try BackupLabel(Array(Self.label.utf8))
        #expect(label.start == LSN("16/B374D848") && label.checkpoint == LSN("16/B374D8A0"))
        #expect(label.startSegment == "000000010000001600000003")
        #expect(label.isFromStandby && label.timeline == 3)
        #expect(label.startTime == "2026-11-21 08:09:06 CET")
        #expect(label.label == "INCREMENTAL FROM LSN: 0/1" && label.incrementalFrom == nil)
    }

    @Test func `the incremental lines are read, and dropped without touching the rest`() throws {
        let more = "INCREMENTAL FROM LSN: 0/2000028\nINCREMENTAL FROM TLI: 2\n"
        let bytes = Array((Self.label + more).utf8)
        let label = try BackupLabel(bytes)
        #expect(label.incrementalFrom == LSN("0/2000028") && label.incrementalFromTimeline == 2)
        #expect(BackupLabel.withoutIncrementalLines(bytes) == Array(Self.label.utf8))
        #expect(
            BackupLabel.withoutIncrementalLines(Array(Self.label.utf8)) == Array(Self.label.utf8)
        )
    }

    @Test(arguments: 0..<7)
    func `a label without one of its lines is refused`(missing: Int) {
        var lines = Self.label.split(separator: "\n").map(String.init)
        let method = 2
        lines.remove(at: missing)
        let bytes = Array(lines.map { $0 + "\n" }.joined().utf8)
        if missing != method {
            #expect(throws: PgkeepError.self) { try BackupLabel(bytes) }
        }
    }

    @Test func `mutated labels and maps never break their readers`() {
        var random = SeededRandom(stream: "label fuzz")
        let map = Array("16385 /srv/a\\\nb\n16386 /srv/c\\\\d\n".utf8)
        for round in 0..<2000 {
            _ = try? BackupLabel(mutated(Array(Self.label.utf8), &random))
            _ = try? TablespaceMap(mutated(map, &random), majorVersion: 13 + round % 6)
        }
    }

    @Test(arguments: [13, 14, 18])
    func `a tablespace map survives every kind of path`(major: Int) throws {
        let paths = [
            "/srv/a", "/srv/with space", "/srv/new\nline", "/srv/return\r", "/srv/b\\c\\\\n",
        ]
        var entries = paths.enumerated().map { index, path in
            TablespaceMap.Entry(oid: UInt32(index + 1), path: Array(path.utf8))
        }
        entries.append(.init(oid: .max, path: [0x2f, 0xff]))
        let map = TablespaceMap(entries: entries)
        let bytes = map.encoded(majorVersion: major)
        #expect(try TablespaceMap(bytes, majorVersion: major) == map)
        let backslash = Array("/srv/b\\c".utf8)
        let doubled = Array("/srv/b\\\\c".utf8)
        #expect(contains(bytes, major >= 14 ? doubled : backslash))
    }

    private func contains(_ bytes: [UInt8], _ part: [UInt8]) -> Bool {
        bytes.indices.contains { bytes[$0...].starts(with: part) }
    }

    @Test func `a map is remapped by oid, and an unknown oid is refused`() throws {
        let map = try TablespaceMap(Array("16385 /srv/a\n16386 /srv/b\n".utf8), majorVersion: 18)
        let moved = try map.remapped([16386: "/new place"])
        #expect(moved.encoded(majorVersion: 18) == Array("16385 /srv/a\n16386 /new place\n".utf8))
        let error = #expect(throws: PgkeepError.self) { try map.remapped([7: "/x"]) }
        #expect(error?.code == .usage && error?.hint.contains("16385, 16386") == true)
    }

    @Test(arguments: ["16385\n", "/srv/a\n", "0 /x\n", "16385 /x", "16385 \n", "1 /x\\"])
    func `a malformed map is refused`(text: String) {
        #expect(throws: PgkeepError.self) {
            try TablespaceMap(Array(text.utf8), majorVersion: 18)
        }
    }

    @Test func `files of relations are told from all others`() throws {
        let yes: [(String, RelationPath.Fork, UInt32, Bool)] = [
            ("global/1262", .main, 0, false), ("base/5/1249", .main, 0, false),
            ("base/5/16384.12", .main, 12, false), ("base/5/16384_fsm", .freeSpace, 0, false),
            ("base/5/16384_vm.1", .visibility, 1, false), ("base/5/16384_init", .initial, 0, false),
            ("pg_tblspc/16385/PG_18_202506291/5/4294967295", .main, 0, false),
            ("base/5/t3_16390_fsm", .freeSpace, 0, true), ("base/5/t0_16390", .main, 0, true),
        ]
        for (path, fork, segment, isTemporary) in yes {
            let found = try #require(RelationPath(Array(path.utf8)), "\(path)")
            #expect(found.fork == fork && found.segment == segment)
            #expect(found.isTemporary == isTemporary)
            #expect(found.firstBlock == segment * 131_072)
        }
        let no = [
            "global/pg_control", "base/5/pg_filenode.map", "base/5/PG_VERSION", "base/5/016384",
            "base/5/16384_", "base/5/16384_main", "base/5/16384.0", "base/5/16384.01", "base/5/0",
            "base/5/4294967296", "base/5/16384.1_fsm", "base/05/16384", "base/x/16384",
            "pg_wal/16384", "16384", "base/16384", "base/5/16384/1", "base/5/", "base/5/t_16384",
            "base/5/INCREMENTAL.16384", "pg_tblspc/16385/5/16384", "base/5/+16384", "base/5/t3_",
            "pg_tblspc/16385/PG_18/5/16384", "/global/1262", "global//1262", "base/5/16384.",
        ]
        for path in no { #expect(RelationPath(Array(path.utf8)) == nil, "\(path)") }
        #expect(RelationPath([0x62, 0xff]) == nil)
    }
}
