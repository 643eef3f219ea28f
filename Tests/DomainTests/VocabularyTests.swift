import Domain
import FoundationEssentials
import TestSupport
import Testing

/// The small values: what they accept, what they refuse, and that they read what they write.
struct VocabularyTests {
    @Test func `LSNs read what they write and nothing else`() {
        var random = SeededRandom(stream: "lsn")
        for _ in 0..<2000 {
            let value = LSN(UInt64.random(in: 0...UInt64.max, using: &random) >> random.next() % 64)
            #expect(LSN(value.description) == value)
            let text = String(
                decoding: (0..<random.next() % 8).map { _ in
                    Array("0123456789ABCDEFabcdef/- +xG".utf8).randomElement(using: &random) ?? 47
                },
                as: UTF8.self
            )
            if let parsed = LSN(text) {
                #expect(text.split(separator: "/").count == 2)
                #expect(LSN(parsed.description) == parsed)
            }
        }
        for bad in [
            "", "/", "0", "0/", "/0", "0/0/0", "0/123456789", "-1/0", "0/ 1", "+1/0", "０/0",
        ] {
            #expect(LSN(bad) == nil, "\(bad)")
        }
        #expect(LSN("16/b374d848")?.description == "16/B374D848")
        #expect(LSN("0/9") ?? .zero < LSN("0/10") ?? .zero)
    }

    @Test func `segment names agree with PostgreSQL's arithmetic at both ends of the sizes`() throws
    {
        let sizes = try [1, 16, 64, 1024].map { mebibytes in
            try #require(WALSegmentSize(bytes: UInt64(mebibytes) << 20))
        }
        #expect(sizes.map(\.segmentsPerLog) == [4096, 256, 64, 4])
        var random = SeededRandom(stream: "segments")
        for size in sizes {
            for _ in 0..<500 {
                let position = LSN(UInt64.random(in: 1...UInt64.max >> 2, using: &random))
                let segment = WALSegment(timeline: 9, containing: position, size: size)
                #expect(WALSegment(name: segment.name, size: size) == segment)
                #expect(segment.start <= position && position < segment.end)
                #expect(segment.next.start == segment.end)
                #expect(WALSegment(timeline: 9, endingAt: segment.end, size: size) == segment)
            }
        }
        // Seen on a server: pg_walfile_name('1/2345678') with 16 MiB.
        let position = try #require(LSN("1/2345678"))
        let name = WALSegment(timeline: 1, containing: position, size: .standard).name
        #expect(name == "000000010000000100000002")
        for bad in [
            "00000001000000010000000", "0000000100000001000000g2", "000000010000000100000100",
            "000000000000000100000002", "00000001000000010000000a",
            "000000010000000100000002.partial",
        ] {
            #expect(WALSegment(name: bad, size: .standard) == nil, "\(bad)")
        }
        for bytes in [0, 1, 1 << 19, 3 << 20, 1 << 31] as [UInt64] {
            #expect(WALSegmentSize(bytes: bytes) == nil)
        }
    }

    @Test func `times read what they write, in every notation`() throws {
        var random = SeededRandom(stream: "times")
        for _ in 0..<2000 {
            // From year 1 to 9999.
            let time = Timestamp(
                microseconds: Int64.random(
                    in: -62_135_596_800_000_000...253_402_300_799_999_999,
                    using: &random
                )
            )
            #expect(Timestamp(time.description) == time)
        }
        let moment = try #require(Timestamp("2026-03-14T15:09:26.5Z"))
        for text in [
            "2026-03-14 15:09:26.5", "2026-03-14T16:09:26.500000+01:00", "2026-03-14 15:09:26.5+00",
            "2026-03-14 10:39:26.5-0430", "2026-03-14t15:09:26.5z", "2026-03-14 15:09:26.5 +00",
        ] {
            #expect(Timestamp(text) == moment, "\(text)")
        }
        #expect(Timestamp("2024-02-29 00:00") != nil)
        for bad in [
            "", "2026", "2026-02-29 00:00:00", "2026-13-01 00:00:00", "2026-01-01 24:00:00",
            "2026-01-01 00:00:00.", "2026-01-01 00:00:00+1", "2026-01-01 00:00:00Zx", "now",
            "2026-01-01", "2026-00-10 00:00", "2026-01-01 00:60",
        ] {
            #expect(Timestamp(bad) == nil, "\(bad)")
        }
        #expect(Timestamp(postgresMicroseconds: 0).description == "2000-01-01T00:00:00Z")
        #expect(
            moment.postgresMicroseconds
                == Timestamp(
                    postgresMicroseconds: moment.postgresMicroseconds
                ).postgresMicroseconds
        )
        #expect(Timestamp(microseconds: -1).seconds == -1)
    }

    @Test func `random text never becomes a time by accident`() {
        var random = SeededRandom(stream: "time fuzz")
        let alphabet = Array("0123456789-:T. Z+".utf8)
        for _ in 0..<5000 {
            var text = Array("2026-03-14T15:09:26.123456+01:00".utf8)
            for _ in 0..<3 {
                let index = Int.random(in: 0..<text.count, using: &random)
                text[index] = alphabet.randomElement(using: &random) ?? 48
            }
            if let time = Timestamp(String(decoding: text, as: UTF8.self)) {
                #expect(Timestamp(time.description) == time)
            }
        }
    }

    @Test func `history files of every shape PostgreSQL writes are read`() throws {
        let content = """
            1\t0/5000028\tno recovery target specified

            # a comment
            2\t0/9000100\tbefore 2026-03-14 15:09:26+00

            3\t0/A000000\tafter LSN 0/9FFFF00

            """
        let history = try #require(TimelineHistory(timeline: 4, content: content))
        #expect(history.forks.map(\.timeline) == [1, 2, 3])
        #expect(history.name == "00000004.history")
        #expect(TimelineHistory.timeline(ofName: "0000000A.history") == 10)
        #expect(TimelineHistory.timeline(ofName: "0000000a.history") == nil)
        let fork = try #require(LSN("0/5000028"))
        #expect(
            history.timeline(at: LSN(fork.rawValue - 1)) == 1 && history.timeline(at: fork) == 2
        )
        #expect(history.contains(1, at: fork) && !history.contains(1, at: fork + 1))
        #expect(!history.contains(7, at: LSN(8)) && history.contains(4, at: LSN(.max)))
        #expect(history.end(of: 4) == nil && history.end(of: 9) == .zero)
        #expect(TimelineHistory(timeline: 2, content: "3\t0/1000000\tx\n") == nil)
        #expect(TimelineHistory(timeline: 4, content: "2\t0/9\tx\n1\t0/10\tx\n") == nil)
        #expect(TimelineHistory(timeline: 2, content: "") == .root(2))
    }

    @Test func `histories agree when every timeline both know has one past`() {
        func history(_ timeline: TimelineID, _ forks: (TimelineID, UInt64)...) -> TimelineHistory {
            TimelineHistory(
                timeline: timeline,
                forks: forks.map { .init(timeline: $0.0, end: LSN($0.1)) }
            )
        }
        func agree(_ one: TimelineHistory, _ other: TimelineHistory) -> Bool {
            let answer = one.agrees(with: other)
            #expect(answer == other.agrees(with: one))
            return answer
        }
        let second = history(2, (1, 100))
        #expect(agree(second, second) && agree(second, .root(1)))
        #expect(!agree(second, history(2, (1, 101))))
        // A child of it, a sibling of it, a child of another timeline 2.
        #expect(agree(second, history(3, (1, 100), (2, 200))))
        #expect(agree(second, history(3, (1, 50))))
        #expect(!agree(second, history(3, (1, 90), (2, 200))))
        // Children of one timeline 2, and of two, whose own file nobody has.
        #expect(agree(history(3, (1, 100), (2, 150)), history(4, (1, 100), (2, 200))))
        #expect(!agree(history(3, (1, 100), (2, 150)), history(4, (1, 90), (2, 200))))
    }

    @Test func `ids, names and versions read what they write`() throws {
        var random = SeededRandom(stream: "ids")
        var earlier: PointID?
        for step in 0..<200 {
            let id = PointID(
                milliseconds: 1_700_000_000_000 + UInt64(step),
                random: (random.next(), random.next())
            )
            #expect(PointID(id.description) == id && PointID(bytes: id.bytes) == id)
            #expect(id.time.microseconds == (1_700_000_000_000 + Int64(step)) * 1000)
            if let earlier { #expect(earlier < id && earlier.description < id.description) }
            earlier = id
            let vault = VaultID(random: (random.next(), random.next()))
            #expect(VaultID(vault.description) == vault && VaultID(bytes: vault.bytes) == vault)
            #expect(PointID(vault.description) == nil, "a version 4 is no point")
            let system = SystemIdentifier(random.next() | 1)
            #expect(SystemIdentifier(system.description) == system)
            #expect(SystemIdentifier(hex: system.hex) == system && system.hex.utf8.count == 16)
        }
        #expect(PointID("0191F3B4-0000-7000-8000-000000000000") == nil, "upper case has no place")
        #expect(SystemIdentifier("0") == nil && SystemIdentifier("+5") == nil)
        for bad in ["", "-a", "_a", "A", "a b", "ä", "a/b", ".", String(repeating: "a", count: 64)]
        {
            #expect(InstanceName(bad) == nil, "\(bad)")
            #expect(throws: PgkeepError.self) { try InstanceName(checking: bad) }
        }
        #expect(try InstanceName(checking: "shop-2_x").slotSuffix == "shop_2_x")
        let versions = ["15.18", "18", "18beta1", "15.18 (Debian 15.18-1)", "13.0"]
        #expect(
            versions.map { ServerVersion($0)?.number } == [
                150_018, 180_000, 180_000, 150_018, 130_000,
            ]
        )
        #expect(ServerVersion("9.6") == nil && ServerVersion("x") == nil)
        #expect(
            bytes(ofHexadecimal: "00ffAb") == [0, 255, 171] && hexadecimal([0, 255]) == "00ff"
        )
        #expect(bytes(ofHexadecimal: "0") == nil && bytes(ofHexadecimal: "0g") == nil)
    }

    @Test func `a point's JSON has every key and reads back`() throws {
        var cluster = SimulatedInstance()
        var point = cluster.backup()
        point.tablespaces = [.init(oid: 16_400, path: "/ssd")]
        point.checksumFailures = [.init(path: "base/5/1", block: nil, message: "bad")]
        point.trigger = .initial
        point.parent = point.id
        point.settings = SettingsFloor(maxConnections: 100)
        let data = try JSONEncoder().encode(point)
        #expect(try JSONDecoder().decode(RecoveryPoint.self, from: data) == point)
        point.parent = nil
        let text = String(decoding: try JSONEncoder().encode(point), as: UTF8.self)
        for key in [
            "id", "instance", "state", "trigger", "method", "parent", "started_at", "finished_at",
            "start_lsn", "stop_lsn", "timeline", "server_version", "files", "logical_bytes",
            "stored_bytes", "pages_total", "pages_new", "expires_at",
        ] {
            #expect(text.contains("\"\(key)\":"), "\(key)")
        }
        #expect(text.contains("\"parent\":null") && text.contains("\"method\":\"full-stream\""))
        var summary = WALSummary(start: point.startLSN)
        summary.add(
            TransactionEnd(
                start: LSN(8),
                end: LSN(64),
                xid: 7,
                time: point.startedAt,
                isCommit: true
            )
        )
        let encoded = try JSONEncoder().encode(summary)
        #expect(try JSONDecoder().decode(WALSummary.self, from: encoded) == summary)
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(
                [LSN].self,
                from: Array("[\"0-1\"]".utf8).withUnsafeBytes {
                    Data($0)
                }
            )
        }
    }

    @Test func `a joined summary says what both halves say`() {
        func end(_ at: UInt64, _ xid: UInt32, _ second: Int64, _ isCommit: Bool) -> TransactionEnd {
            TransactionEnd(
                start: LSN(at),
                end: LSN(at + 40),
                xid: xid,
                time: Timestamp(seconds: second),
                isCommit: isCommit
            )
        }
        let records = [end(8, 10, 100, true), end(48, 8, 90, false), end(88, 12, 95, true)]
        for cut in 0...3 {
            var first = WALSummary(start: LSN(0))
            var second = WALSummary(start: LSN(UInt64(cut) * 40))
            var whole = WALSummary(start: LSN(0))
            for record in records[..<cut] { first.add(record) }
            for record in records[cut...] { second.add(record) }
            for record in records { whole.add(record) }
            #expect(first.joined(with: second) == whole)
        }
    }
}
