import Domain
import Platform
import TestSupport
import Testing

/// Replication slots that are taken or lost: no WAL goes missing without a word.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct BadSlotTests {
    @Test(arguments: PostgresInstallation.testedMajors)
    func `a slot somebody else uses is waited for, or told`(major: Int) throws {
        try ProtectedServer.with(.required(major)) { protected in
            let server = protected.server
            let directory = try protected.scratch.serverDirectory("other-receiver")
            let other = try CommandRunner.asServer.start(
                server.installation.program("pg_receivewal"),
                ["-D", directory, "-S", "pgkeep_main", "-d", server.conninfo]
            )
            try waitUntil("the slot is in use") {
                try server.psql("select active from pg_replication_slots") == "t"
            }
            // Something to fetch; without it, it would have caught up already.
            try server.psql("create table t ()")
            try protected.refuses(
                ["wal", "stream", "main", "--until-caught-up"],
                .busy,
                ["pgkeep_main", "stop the other consumer of the slot"]
            )
            // One that is to run for ever says so and tries again until the slot is free.
            let stream = try protected.startPgkeep(["wal", "stream", "main"])
            try stream.waitForOutput("is active for PID")
            other.interrupt()
            try protected.waitUntilStreamed()
            #expect(stream.interrupt().succeeded)
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a lost slot is a gap that is told, accepted, shown and healed`(major: Int) throws {
        let options = PostgresServer.Options(settings: ["max_slot_wal_keep_size": "16MB"])
        try ProtectedServer.with(
            .required(major),
            options: options,
            prepare: { try $0.psql("create table t (x int)") },
            { protected in
                let server = protected.server
                try protected.catchUp()
                let before = try #require(try protected.plan([]).effectiveLsn)
                let (inside, lost) = try lose(server)

                // Nothing is skipped unasked, however often it is tried.
                let stream = ["wal", "stream", "main", "--until-caught-up"]
                for _ in 0..<2 {
                    try protected.refuses(
                        stream,
                        .unreachable,
                        ["gone from the server", "--accept-gap", "pgkeep backup create main"]
                    )
                }
                #expect(try protected.plan([]).effectiveLsn == before)

                try server.psql("insert into t values (2)")
                try protected.succeed(stream + ["--accept-gap"])
                let window = try protected.window()
                let gap = try #require(window.gaps.first { $0.cause == "slot-lost" })
                #expect(gap.fromLsn <= before && gap.toLsn >= lost)
                let plan = try protected.plan([])
                #expect(plan.effectiveLsn == before)
                #expect(plan.warnings.contains { $0.contains("this is not the latest state") })

                try protected.backup()
                try server.psql("insert into t values (3)")
                try protected.succeed(stream)
                #expect(try protected.window().gaps.contains { $0.cause == "slot-lost" })
                try refusesInside(protected, time: inside, lsn: lost)
                let copy = try protected.restore([])
                let rows = "select string_agg(x::text, ',' order by x) from t where x < 9"
                #expect(try copy.psql(rows) == "1,2,3")
                // And what was there before the gap still is.
                let old = try protected.restore(["--lsn", "\(before)"])
                #expect(try old.psql("select count(*) from t") == "0")
            }
        )
    }

    /// A moment in the gap: exit 5, with the window and its neighbours.
    private func refusesInside(_ protected: ProtectedServer, time: String, lsn: LSN) throws {
        let target = protected.scratch.file("never")
        for moment in [["--time", time], ["--lsn", "\(lsn)"]] {
            let words = ["the last reachable moment is", "the next one is", "recovery window is"]
            try protected.refuses(["restore", "plan", "main"] + moment, .outsideWindow, words)
            try protected.refuses(
                ["restore", "start", "main", "--to-dir", target] + moment,
                .outsideWindow,
                words
            )
        }
        #expect(try FileSystem.info(target) == nil)
    }

    /// Writes so much that the server gives up the slot; a moment in the middle of what is lost.
    private func lose(_ server: PostgresServer) throws -> (time: String, lsn: LSN) {
        func write() throws {
            for _ in 0..<4 { try server.psql("insert into t values (9); select pg_switch_wal()") }
        }
        try server.psql("insert into t values (1)")
        try write()
        let moment = (
            time: try server.psql("select clock_timestamp() at time zone 'UTC'") + "Z",
            lsn: try server.currentLSN()
        )
        try write()
        try server.psql("checkpoint")
        try waitUntil("the slot is lost") {
            try server.psql("checkpoint; select wal_status from pg_replication_slots") == "lost"
        }
        return moment
    }

    @Test func `backups without a stream leave gaps that are no damage and can be filled`() throws {
        let prepare: (PostgresServer) throws -> Void = { try $0.psql("create table t (x int)") }
        try ProtectedServer.with(.newest(), prepare: prepare) { protected in
            for number in 1...2 {
                for _ in 0..<2 {
                    try protected.server.psql(
                        "insert into t values (\(number)); select pg_switch_wal()"
                    )
                }
                try protected.backup()
            }
            #expect(try protected.window().gaps.allSatisfy { $0.cause == "never-archived" })
            #expect(try protected.window().intervals.count == 3)
            try protected.succeed(["vault", "check", "--level", "decode"])

            // The slot has kept it all.
            try protected.catchUp()
            #expect(try protected.window().gaps.isEmpty)
            #expect(try protected.window().intervals.count == 1)
            try protected.succeed(["vault", "check", "--level", "decode"])
            // From now on what is missing there is damage.
            let gone = try #require(try protected.walObjects().dropFirst(3).first)
            try FileSystem.removeFile(gone)
            let found = try protected.pgkeep(["vault", "check"])
            #expect(found.exitCode == 6 && found.errors.contains("is missing"), "\(found.errors)")
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a backup needs no WAL from before its own checkpoint`(major: Int) throws {
        let options = PostgresServer.Options(settings: ["max_slot_wal_keep_size": "16MB"])
        try ProtectedServer.with(
            .required(major),
            options: options,
            prepare: { try $0.psql("create table t (x int)") },
            { protected in
                // The backup's slot begins at the last checkpoint, too far back; the checkpoint the
                // backup begins with ends it.
                for _ in 0..<4 {
                    try protected.server.psql("insert into t values (9); select pg_switch_wal()")
                }
                let point = try protected.backup()
                let copy = try protected.restore(["--point", point.id])
                #expect(try copy.psql("select count(*) from t") == "4")
            }
        )
    }
}
