import Domain
import Platform
import Postgres
import TestSupport
import Testing

/// The walker against pg_waldump, on WAL that real servers have just written.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct WALServerTests {
    private struct Walked {
        var events: [WALEvent] = []
        var summaries: [WALSummary] = []
        var walker: WALWalker
    }

    private func segments(
        _ server: PostgresServer,
        _ size: WALSegmentSize,
        timeline: TimelineID,
        through end: LSN
    ) throws -> [WALSegment] {
        let last = WALSegment(timeline: timeline, endingAt: end, size: size)
        return (try FileSystem.list(server.dataDirectory + "/pg_wal") ?? [])
            .compactMap { WALSegment(name: $0, size: size) }
            .filter { $0.timeline == timeline && $0 <= last }
            .sorted()
    }

    private func walk(
        _ server: PostgresServer,
        _ segments: some Collection<WALSegment>,
        _ random: inout SeededRandom
    ) throws -> Walked {
        let first = try #require(segments.first)
        let system = SystemIdentifier(try server.systemIdentifier())
        var builder = WALSummaryBuilder(
            WALWalker(segmentSize: first.size, systemIdentifier: system, startingAt: first.start)
        )
        var walked = Walked(walker: builder.walker)
        for segment in segments {
            let bytes = try FileSystem.readFile(
                "\(server.dataDirectory)/pg_wal/\(segment.name)",
                limit: 1 << 30
            )
            #expect(UInt64(bytes.count) == segment.size.bytes)
            let header = try bytes.withUnsafeBytes { try SegmentHeader($0) }
            try header.verify(is: segment, of: system, majorVersion: server.major)
            bytes.withUnsafeBytes { bytes in
                inSlices(bytes, of: 1...300_000, &random) { slice, offset in
                    builder.feed(slice, at: segment.start + UInt64(offset)) {
                        walked.events.append($0)
                    }
                }
            }
            walked.summaries.append(builder.take())
        }
        walked.walker = builder.walker
        return walked
    }

    private func dump(
        _ server: PostgresServer,
        from start: LSN,
        to end: LSN,
        timeline: TimelineID,
        _ options: [String]
    ) throws -> String {
        try CommandRunner.asServer.with(["TZ": "UTC"]).check(
            server.installation.program("pg_waldump"),
            [
                "-p", server.dataDirectory + "/pg_wal", "-t", "\(timeline)", "-s", "\(start)",
                "-e", "\(end)",
            ] + options
        )
    }

    private func writeEverything(_ server: PostgresServer, _ scratch: ScratchDirectory) throws {
        try server.pgbenchInit(scale: 1)
        try server.runPgbench(clients: 2, transactions: 300)
        try server.psql(
            """
            select pg_create_restore_point('before Ärger');
            create table gone(a int); create table big(a text);
            begin; savepoint a; insert into gone values (1); release a; drop table gone;
            create table made(a int); prepare transaction 'one';
            begin; insert into big values ('x'); prepare transaction 'two';
            commit prepared 'one'; rollback prepared 'two';
            begin; insert into big values ('y'); rollback;
            insert into big select repeat(md5(n::text), 100000) from generate_series(1, 3) n;
            select pg_logical_emit_message(false, 'pgkeep', repeat('z', 3000000));
            select pg_switch_wal();
            checkpoint;
            """
        )
        let copy = try scratch.serverDirectory("copy")
        try server.check(
            "pg_basebackup",
            ["-D", copy, "-d", server.conninfo, "-X", "none", "-c", "fast"]
        )
        try server.addSettings(["max_connections": "61", "max_worker_processes": "9"])
        try server.restart()
        try server.runPgbench(clients: 2, transactions: 50)
        try server.kill()
        try server.start()
        try server.psql("select pg_create_restore_point('after the crash'); select txid_current()")
    }

    @Test(arguments: [(15, 1), (15, 16), (16, 16), (18, 64), (18, 1), (18, 16)])
    func `all events of a busy server are found as pg_waldump finds them`(
        major: Int,
        megabytes: Int
    ) throws {
        var random = SeededRandom(stream: "waldump \(major) \(megabytes)")
        var options = PostgresServer.Options(settings: [
            "wal_keep_size": "4GB", "max_wal_size": "4GB", "max_prepared_transactions": "4",
        ])
        options.segmentMegabytes = megabytes
        try PostgresServer.with(.required(major), options: options) { server, scratch in
            try writeEverything(server, scratch)
            let end = try #require(LSN(try server.psql("select pg_switch_wal()")))
            let size = try #require(WALSegmentSize(bytes: UInt64(megabytes) << 20))
            let segments = try segments(server, size, timeline: 1, through: end)
            let walked = try walk(server, segments, &random)
            try compare(server, segments, walked, end)
            // From any segment on the same is found, but for records begun before it.
            for first in [1, segments.count / 2, segments.count - 1] where first < segments.count {
                let part = try walk(server, segments[first...], &random)
                #expect(part.walker.stop == nil)
                let expected = walked.events.filter { $0.start >= segments[first].start }
                #expect(WALDump.found(part.events) == WALDump.found(expected))
            }
        }
    }

    private func compare(
        _ server: PostgresServer,
        _ segments: [WALSegment],
        _ walked: Walked,
        _ end: LSN
    ) throws {
        let start = try #require(segments.first).start
        let kinds = ["--rmgr=Transaction", "--rmgr=XLOG"]
        let expected = WALDump.expected(
            try dump(server, from: start, to: end, timeline: 1, kinds)
        )
        let found = WALDump.found(walked.events)
        // Only the first difference: there are thousands of lines.
        let pairs = zip(found, expected)
        #expect(pairs.first { $0 != $1 }.map { "\($0.0) instead of \($0.1)" } == nil)
        #expect(found.count == expected.count && walked.walker.stop == nil)
        #expect(walked.walker.validEnd == segments.last?.end)
        for word in [
            "COMMIT", "ABORT", "RESTORE_POINT", "SWITCH", "BACKUP_END", "PARAMETER_CHANGE",
        ] {
            #expect(expected.contains { $0.contains(word) }, "the load made no \(word)")
        }
        let total = try dump(server, from: start, to: end, timeline: 1, ["--stats"])
            .split(separator: "\n").first { $0.hasPrefix("Total") }
        let records = try #require(total?.split(separator: " ")[1])
        #expect(UInt64(records) == walked.walker.records)
        let commits = expected.count { $0.contains(" COMMIT ") }
        #expect(walked.summaries.reduce(0) { $0 + $1.commits } == UInt64(commits))
        let names = walked.summaries.flatMap { $0.restorePoints.map(\.name) }
        #expect(names == ["before Ärger", "after the crash"])
        let settings = walked.summaries.compactMap(\.settings).map(\.maxConnections)
        #expect(settings.max() == 61)
    }

    @Test(arguments: [15, 16, 18])
    func `a promotion is seen on the new timeline`(major: Int) throws {
        var random = SeededRandom(stream: "promotion \(major)")
        try PostgresServer.with(.required(major)) { server, _ in
            try server.psql("create table t(a int)")
            let standby = try server.createStandby()
            try server.psql("insert into t values (1)")
            try standby.catchUp(with: server)
            #expect(try standby.promote() == 2)
            try standby.psql("insert into t values (2)")
            let end = try #require(LSN(try standby.psql("select pg_switch_wal()")))
            let segments = try segments(standby, .standard, timeline: 2, through: end)
            let walked = try walk(standby, segments, &random)
            #expect(walked.walker.stop == nil && walked.walker.timeline == 2)
            let start = try #require(segments.first).start
            let expected = WALDump.expected(
                try dump(
                    standby,
                    from: start,
                    to: end,
                    timeline: 2,
                    ["--rmgr=Transaction", "--rmgr=XLOG"]
                )
            )
            #expect(WALDump.found(walked.events) == expected)
            let switches = walked.summaries.flatMap(\.switches)
            #expect(switches.contains { $0.from == 1 && $0.to == 2 })
        }
    }
}
