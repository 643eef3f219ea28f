import Domain
import Platform
import TestSupport
import Testing

/// What protection promises of a live server, row by row, with the program as operators run it.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct ProtectionRowsTests {
    private struct Job: Decodable {
        var id: String
        var kind: String
        var trigger: String
        var state: String
        var queuedAt: Timestamp?
    }

    private struct JobList: Decodable { var jobs: [Job] }

    private struct Due: Decodable {
        struct Entry: Decodable {
            var outcome: String
            var skipReason: String?
        }

        var instances: [Entry]
    }

    private struct Added: Decodable {
        struct Instance: Decodable { var createdAt: Timestamp }

        var instance: Instance
        var initialJob: String?
        var initialBackup: ProtectedServer.Point?
    }

    @Test func `row 1, 2: adding is all it takes, and the first backup is queued with it`() throws {
        try ProtectedServer.with(.newest()) { protected in
            // The fixture ran vault init and instance add, nothing else.
            let points = try protected.points()
            #expect(points.count == 1 && points.first?.state == "completed")
            #expect(points.first?.trigger == "initial")
            let jobs = try protected.ask(["job", "list", "--kind", "backup"], as: JobList.self).jobs
            #expect(jobs.map(\.state) == ["completed"] && jobs.first?.trigger == "initial")

            // Without its first backup an instance is left to cron, with the job queued.
            let second = try PostgresServer.create(
                protected.server.installation,
                in: protected.scratch
            )
            let added = try protected.ask(
                ["instance", "add", "second", "--source", second.conninfo, "--no-initial-backup"],
                as: Added.self
            )
            let id = try #require(added.initialJob)
            func job() throws -> Job {
                let all = try protected.ask(["job", "list", "--all"], as: JobList.self).jobs
                return try #require(all.first { $0.id == id })
            }
            let queued = try job()
            #expect(queued.state == "queued" && added.initialBackup == nil)
            let wait = try #require(queued.queuedAt).seconds(since: added.instance.createdAt)
            #expect(wait >= 0 && wait < 5)
            let due = try protected.ask(["backup", "run-due", "second"], as: Due.self)
            #expect(due.instances.map(\.outcome) == ["completed"])
            #expect(try job().state == "completed")
        }
    }

    @Test func `cron lines say nothing and exit 0 when nothing is due`() throws {
        try ProtectedServer.with(.newest()) { protected in
            try protected.catchUp()
            for line in [["backup", "run-due"], ["vault", "prune"]] {
                _ = try protected.pgkeep(line)
                let idle = try protected.pgkeep(line)
                #expect(idle.succeeded && idle.errors.isEmpty && idle.output.isEmpty, "\(line)")
            }
            let stream = ["wal", "stream", "main", "--until-caught-up"]
            // An idle server still writes a record now and then; what is streamed is told.
            var idle = try protected.pgkeep(stream)
            for _ in 1...5 where idle.succeeded && !idle.errors.isEmpty {
                idle = try protected.pgkeep(stream)
            }
            #expect(idle.succeeded && idle.errors.isEmpty && idle.output.isEmpty, "\(idle.errors)")
            // Unknown names and numbers are told, whatever cron makes of it.
            try protected.refuses(["backup", "run-due", "nobody"], .notFound, ["nobody"])
            try protected.refuses(["backup", "run-due", "--jitter", "soon"], .usage, ["--jitter"])
        }
    }

    @Test func `row 13: run-due on a stopped server exits 0, is skipped, and alarms nobody`() throws
    {
        try ProtectedServer.withVault(.newest()) { protected in
            let arguments = ["--source", "service=main", "--no-initial-backup"]
            try protected.succeed(["instance", "add", "main"] + arguments)
            try protected.server.stop()
            let told = try protected.pgkeep(["backup", "run-due"])
            #expect(told.succeeded && told.errors.contains("the server is stopped"))
            // Said once; from then on cron has nothing to mail.
            let silent = try protected.pgkeep(["backup", "run-due"])
            #expect(silent.succeeded && silent.errors.isEmpty)
            let due = try protected.ask(["backup", "run-due"], as: Due.self)
            #expect(due.instances.map(\.outcome) == ["skipped"])
            #expect(due.instances.map(\.skipReason) == ["server-stopped"])
            let jobs = try protected.ask(["job", "list", "--all"], as: JobList.self).jobs
            #expect(Set(jobs.map(\.state)) == ["queued", "skipped"])
            try protected.server.start()
            let late = try protected.ask(["backup", "run-due"], as: Due.self)
            #expect(late.instances.map(\.outcome) == ["completed"])
            #expect(try protected.points().count == 1)
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `row 4: all databases and tablespaces come back, checksums equal`(major: Int) throws {
        let databases = ["one", "two", "three"]
        let sums = """
            select count(*), sum(hashtext(t::text)::bigint) from filled t;
            select count(*), sum(hashtext(t::text)::bigint) from apart t;
            """
        try ProtectedServer.with(
            .required(major),
            prepare: { server in
                try server.createTablespace("wide")
                for (number, database) in databases.enumerated() {
                    try server.psql("create database \(database)")
                    try server.psql(
                        """
                        create table filled as select g, md5((g * \(number + 1))::text) as text
                            from generate_series(1, 5000) g;
                        create table apart tablespace wide as select * from filled where g < 1000;
                        """,
                        database: database
                    )
                }
            },
            { protected in
                let expected = try databases.map { try protected.server.psql(sums, database: $0) }
                // Only root may create directories beside the copy here.
                _ = try protected.scratch.serverDirectory("copy.tablespaces")
                let copy = try protected.restore(["--point", protected.firstPoint.id])
                #expect(try databases.map { try copy.psql(sums, database: $0) } == expected)
                #expect(Set(expected).count == 3)
                try copy.judge()
            }
        )
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `row 5: a second backup after 1 % changed is small, and restores without the first`(
        major: Int
    ) throws {
        let options = PostgresServer.Options(settings: ["autovacuum": "off"])
        let prepare: (PostgresServer) throws -> Void = { try $0.pgbenchInit(scale: 3) }
        try ProtectedServer.with(.required(major), options: options, prepare: prepare) {
            protected in
            try protected.server.psql(
                "update pgbench_accounts set abalance = 7 where aid <= 3000; checkpoint"
            )
            let second = try protected.backup()
            let first = protected.firstPoint
            #expect(second.parent == first.id && second.logicalBytes > first.logicalBytes / 2)
            #expect(second.storedBytes * 10 < second.logicalBytes)
            #expect(second.storedBytes * 4 < first.storedBytes)
            try protected.succeed(["backup", "delete", "main", first.id, "--automatic"])
            try protected.succeed(["vault", "prune"])
            #expect(try protected.points().map(\.id) == [second.id])
            try protected.succeed(["vault", "check", "--level", "decode"])
            let copy = try protected.restore(["--point", second.id])
            #expect(
                try copy.psql("select count(*), sum(abalance) from pgbench_accounts")
                    == "300000|21000"
            )
            try copy.judge()
        }
    }

    private struct Status: Decodable {
        var streaming: Bool
        var lagBytes: UInt64?
        var lagSeconds: Double?
        var segments: Int
    }

    @Test func `row 6: logs are archived as they are written, and the slot is active`() throws {
        try ProtectedServer.with(.newest(), prepare: { try $0.pgbenchInit() }) { protected in
            let stream = try protected.startStream()
            func status() throws -> Status {
                try protected.ask(["wal", "status", "main"], as: Status.self)
            }
            let segments = try status().segments
            try protected.server.runPgbench(transactions: 200)
            try protected.server.psql("select pg_switch_wal()")
            try protected.waitUntilStreamed()
            try waitUntil("the lag of an idle server is 0") {
                let status = try status()
                return status.streaming && status.lagBytes == 0 && status.lagSeconds == 0
            }
            #expect(try status().segments > segments)
            #expect(
                try protected.server.psql(
                    "select active from pg_replication_slots where slot_name = 'pgkeep_main'"
                ) == "t"
            )
            #expect(stream.interrupt().succeeded)
        }
    }

    @Test func `row 7: the last commit is restored, and in sync mode none is made without us`()
        throws
    {
        let prepare: (PostgresServer) throws -> Void = { try $0.psql(Committer.table) }
        try ProtectedServer.with(.newest(), prepare: prepare) { protected in
            let server = protected.server
            try protected.makeSynchronous()
            var stream = try protected.startStream()
            try server.psql("insert into ledger values (1, 'acknowledged')")
            stream.kill()
            // Nobody has this one but the server: it must not be acknowledged.
            let waiting = try server.startPsql("insert into ledger values (2, 'waits')")
            try waitUntil("the commit waits for us") {
                try server.psql(
                    "select count(*) from pg_stat_activity where wait_event = 'SyncRep'"
                ) == "1"
            }
            #expect(waiting.isRunning)
            stream = try protected.startStream()
            #expect(waiting.wait(seconds: 60)?.succeeded == true)
            // Crash right behind the acknowledgement: it is in no finished segment.
            try server.kill()
            stream.kill()
            let copy = try protected.restore(["--latest"])
            #expect(
                try copy.psql("select string_agg(filler, ' ' order by id) from ledger")
                    == "acknowledged waits"
            )
            try copy.judge()
        }
    }

    @Test func `row 70: a backup disturbs no client and takes no lock`() throws {
        let prepare: (PostgresServer) throws -> Void = { try $0.pgbenchInit(scale: 2) }
        try ProtectedServer.with(.newest(), prepare: prepare) { protected in
            let server = protected.server
            let clients = try server.startPgbench()
            let backup = try protected.startSlowBackup(8192)
            var isSeen = false
            while backup.isRunning {
                // The backup's own sessions hold nothing anybody could wait for.
                let locks = try server.psql(
                    """
                    select count(*) from pg_locks l join pg_stat_activity a using (pid)
                    where a.application_name ~ '^pgkeep' and l.locktype <> 'virtualxid'
                    """
                )
                #expect(locks == "0")
                let senders = try server.psql(
                    """
                    select count(*) from pg_stat_activity
                    where application_name ~ '^pgkeep' and backend_type = 'walsender'
                    """
                )
                isSeen = isSeen || senders != "0"
                #expect(clients.isRunning, "\(clients.errorsSoFar)")
            }
            #expect(backup.wait().succeeded && isSeen)
            let result = clients.interrupt()
            #expect(!result.errors.contains("ERROR") && !result.errors.contains("aborted"))
            #expect(Set(try server.pgbenchSums()).count == 1)
        }
    }
}
