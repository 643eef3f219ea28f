import Domain
import FoundationEssentials
import Platform
import TestSupport
import Testing

/// What an operator is shown of points and jobs, and which point is picked for a moment.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct ListingRowsTests {
    private struct Point: Decodable {
        var id: String
        var consistentAt: Timestamp
    }

    private struct Points: Decodable { var points: [Point] }

    /// Moments that are planned, beside those next to a point's own.
    private static let moments = 10

    @Test func `row 42: the newest point before the target is planned and named`() throws {
        let options = PostgresServer.Options(settings: ["autovacuum": "off"])
        let prepare: (PostgresServer) throws -> Void = { try $0.psql("create table t (n int)") }
        try ProtectedServer.with(.newest(), options: options, prepare: prepare) { protected in
            for number in 1...3 {
                try protected.server.psql("insert into t values (\(number))")
                if number < 3 { try protected.backup() }
            }
            try protected.catchUp()
            let points = try protected.ask(["backup", "list", "main"], as: Points.self).points
            #expect(points.count == 3)
            let interval = try #require(try protected.window().intervals.last)
            let reach = interval.earliest.microseconds...interval.latest.microseconds
            var random = SeededRandom(stream: "row 42")
            var times = (0..<Self.moments).map { _ in Int64.random(in: reach, using: &random) }
            for point in points {
                let own = point.consistentAt.microseconds
                times += [own - 1, own].filter { reach.contains($0) }
            }
            #expect(times.count == Self.moments + 5)
            for time in times.map({ Timestamp(microseconds: $0) }) {
                let wanted = points.filter { $0.consistentAt <= time }
                    .max { $0.consistentAt < $1.consistentAt }
                let id = try #require(wanted?.id, "\(time)")
                let target = ["--time", "\(time)"]
                #expect(try protected.plan(target).point == id, "\(time)")
                let words = try protected.succeed(["restore", "plan", "main"] + target).errors
                for point in points {
                    #expect(words.contains(point.id) == (point.id == id), "\(time): \(words)")
                }
            }
        }
    }

    /// The keys of a document's or an entry's first level.
    private struct Keys: Decodable {
        private struct Key: CodingKey {
            var stringValue: String
            var intValue: Int? { nil }
            init?(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }

        var names: Set<String>

        init(from decoder: any Decoder) throws {
            names = Set(try decoder.container(keyedBy: Key.self).allKeys.map(\.stringValue))
        }
    }

    private struct ListedKeys: Decodable { var points: [Keys] }

    private static let pointKeys: Set = [
        "id", "instance", "system_identifier", "state", "trigger", "method", "parent", "started_at",
        "finished_at", "consistent_at", "start_lsn", "stop_lsn", "timeline", "server_version",
        "from_standby", "block_size", "wal_segment_bytes", "data_checksums", "settings",
        "tablespaces", "checksum_failures", "configuration_files", "files", "logical_bytes",
        "stored_bytes", "pages_total", "pages_new", "expires_at", "label", "note", "name", "policy",
        "keep_until", "proven_at", "proven_level", "unsound_at", "last_drill",
    ]

    @Test func `row 75: a point is listed and shown with the same keys, all of them`() throws {
        try ProtectedServer.with(.newest()) { protected in
            try protected.backup()
            let points = try protected.points().map(\.id)
            let list = try protected.succeed(["backup", "list", "main", "--json"])
            let decoder = JSONDecoder()
            let bytes = Data(list.outputBytes)
            #expect(try decoder.decode(Keys.self, from: bytes).names == ["points", "damaged"])
            let listed = try decoder.decode(ListedKeys.self, from: bytes).points.map(\.names)
            #expect(listed == points.map { _ in Self.pointKeys })
            #expect(points.count == 2)
            for id in points {
                let show = try protected.succeed(["backup", "show", id, "--json"])
                let keys = try decoder.decode(Keys.self, from: Data(show.outputBytes)).names
                #expect(keys == Self.pointKeys)
                // Indentation is all that differs.
                let entry = show.output.filter { !$0.isWhitespace }
                #expect(list.output.filter { !$0.isWhitespace }.contains(entry), "\(entry)")
            }
        }
    }

    private struct Jobs: Decodable {
        struct Job: Decodable {
            var instance: String?
            var kind: String
            var state: String
        }
        var jobs: [Job]
    }

    /// The jobs listed, in words.
    private func jobs(_ protected: ProtectedServer, _ arguments: String...) throws -> [String] {
        try protected.ask(["job", "list"] + arguments, as: Jobs.self).jobs
            .map { "\($0.instance ?? "-") \($0.kind) \($0.state)" }
    }

    @Test func `row 82, 83: a week by default, all on request, by state, time and instance`() throws
    {
        try ScratchDirectory.with { scratch in
            let clock = try ShiftedClock(in: scratch)
            var options = PostgresServer.Options()
            options.environment = clock.variables
            try ProtectedServer.with(.newest(), options: options) { protected in
                protected.use(clock.variables)
                let second = try PostgresServer.create(
                    protected.server.installation,
                    in: protected.scratch
                )
                let source = ["--source", second.conninfo, "--no-initial-backup"]
                try protected.succeed(["instance", "add", "second"] + source)
                try clock.advance(seconds: 8 * 86400)
                let slow = try protected.startSlowBackup(512)
                try judge(protected)
                #expect(slow.interrupt().exitCode == 130)
                // Ended just now: past, and within the week.
                #expect(try jobs(protected, "--instance", "main") == ["main backup cancelled"])
            }
        }
    }

    /// One backup ended eight days ago, one runs; another instance's waits.
    private func judge(_ protected: ProtectedServer) throws {
        let past = "main backup completed"
        let waiting = "second backup queued"
        let ongoing = "main backup running"
        #expect(try jobs(protected) == [waiting, ongoing])
        #expect(try jobs(protected, "--since", "1d") == [waiting, ongoing])
        #expect(try jobs(protected, "--since", "9d") == [past, waiting, ongoing])
        #expect(try jobs(protected, "--all") == [past, waiting, ongoing])
        #expect(try jobs(protected, "--status", "completed,running") == [ongoing])
        #expect(try jobs(protected, "--status", "completed,running", "--all") == [past, ongoing])
        #expect(try jobs(protected, "--instance", "second", "--all") == [waiting])
        #expect(try jobs(protected, "--instance", "main") == [ongoing])
        for arguments in [[], ["--all"]] {
            let text = try protected.succeed(["job", "list"] + arguments).errors
            #expect(text.contains("queued") && text.contains("running"), "\(text)")
            #expect(text.contains("completed") == !arguments.isEmpty, "\(text)")
        }
    }
}
