import Domain
import Platform
import TestSupport
import Testing

/// Backups of which the server sends changed blocks only: every point is complete, and the same as
/// PostgreSQL's own tools make of their chain.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct ServerIncrementalTests {
    static let majors = PostgresInstallation.testedMajors.filter { $0 >= 17 }

    static var options: PostgresServer.Options {
        var options = PostgresServer.Options()
        options.settings = ["summarize_wal": "on", "autovacuum": "off", "wal_keep_size": "1GB"]
        return options
    }

    /// What happens before each backup: everything that changes files otherwise than page by page.
    private static let steps: [(name: String, database: String, sql: String)] = [
        (
            "rows, tables, tablespaces", "postgres",
            """
            insert into shrinks select g, repeat('s', 400) from generate_series(20001, 24000) g;
            create table far tablespace far as select g, repeat('f', 300) t
                from generate_series(1, 4000) g;
            create index on far (t) tablespace near;
            create unlogged table passing as select generate_series(1, 4000) g;
            """
        ),
        ("truncation by VACUUM", "postgres", "delete from shrinks where g > 2000; vacuum shrinks"),
        (
            "growth again", "postgres",
            """
            insert into shrinks select g, repeat('n', 400) from generate_series(30001, 33000) g;
            insert into passing select generate_series(1, 9000);
            """
        ),
        (
            "rewritten tables and indexes", "postgres",
            """
            vacuum full pgbench_accounts; reindex table pgbench_tellers; truncate passing;
            alter table far set tablespace near; alter table passing set logged;
            """
        ),
        (
            "databases", "postgres",
            """
            create database by_wal template filled strategy wal_log;
            create database by_file template filled strategy file_copy;
            create database away template filled tablespace far;
            """
        ),
        (
            "rows in copied databases", "by_file",
            "update t set v = 'changed' where i % 97 = 0; create table more as select * from t"
        ),
        (
            "drops", "postgres",
            """
            drop table far; drop database by_wal; delete from shrinks where g < 500;
            create table far tablespace far as select 1 g;
            """
        ),
        ("nothing", "postgres", "select 1"),
        (
            "changed again", "postgres",
            """
            update shrinks set t = repeat('u', 400) where g % 11 = 0; alter table far set unlogged;
            update pgbench_accounts set abalance = abalance where aid % 7 = 0;
            """
        ),
        (
            "an index, and a table logged again", "postgres",
            "alter table far set logged; create index on shrinks (t); create table late (a int)"
        ),
        (
            "the index gone, the table cut to nothing", "postgres",
            """
            drop index shrinks_t_idx; delete from shrinks; vacuum shrinks;
            insert into late values (1);
            """
        ),
    ]

    private func prepare(_ server: PostgresServer) throws {
        try server.pgbenchInit()
        try server.createTablespace("near")
        try server.createTablespace("far")
        try server.psql("create database filled")
        try server.psql(
            "create table t as select i, 'text ' || i v from generate_series(1, 20000) i",
            database: "filled"
        )
        try server.psql(
            """
            create table shrinks as select g, repeat('s', 400) t from generate_series(1, 20000) g;
            """
        )
    }

    /// Puts a server to rest: no hint bit is left to be set by whoever connects first.
    private func settle(_ server: PostgresServer) throws {
        try server.check(
            "vacuumdb",
            ["--all", "--freeze", "-q", "-h", server.socketDirectory, "-p", "\(server.port)"]
                + ["-U", "postgres", "--no-truncate"]
        )
        try server.psql("checkpoint")
    }

    @Test(arguments: majors)
    func `each point of a chain is what pg_combinebackup makes of PostgreSQL's own`(
        major: Int
    ) throws {
        try ProtectedServer.with(
            PostgresInstallation.required(major),
            options: Self.options,
            prepare: { try prepare($0) }
        ) { protected in
            let server = protected.server
            let chain = CombinedChain(server, protected.scratch)
            try chain.add()
            for step in Self.steps {
                try server.psql(step.sql, database: step.database)
                try server.runPgbench(transactions: 50)
                try settle(server)
                let point = try protected.backup()
                try chain.add()
                #expect(
                    point.method == "incremental-stream",
                    "\(step.name): \(point.warnings ?? [])"
                )
                #expect(point.warnings == [] && point.hints == [])
                let copy = try restoreFiles(protected, point)
                let differences = try FileTree(copy.dataDirectory)
                    .differences(from: chain.combined())
                #expect(differences == [], "\(step.name)")
                try copy.start()
                try copy.waitForPromotion()
                #expect(try Set(copy.pgbenchSums()).count == 1)
                try copy.judge()
                try FileSystem.removeTree(copy.dataDirectory)
            }
        }
    }

    /// Restores the end of a backup; tablespaces get places of their own.
    private func restoreFiles(
        _ protected: ProtectedServer,
        _ point: ProtectedServer.Point
    ) throws -> PostgresServer {
        let oids = try protected.server.psql("select oid from pg_tablespace where oid >= 16384")
        let mapped = try oids.split(separator: "\n").flatMap { oid in
            ["--tablespace", "\(oid)=\(try protected.scratch.unusedServerDirectory("space"))"]
        }
        return try protected.restoreOnly(["--point", point.id], mapped)
    }

    /// Nothing stands still here, so that only PostgreSQL itself can judge.
    @Test(arguments: majors)
    func `points taken under load are whole, each on its own`(major: Int) throws {
        try ProtectedServer.with(
            PostgresInstallation.required(major),
            options: Self.options,
            prepare: { try prepare($0) }
        ) { protected in
            let server = protected.server
            let load = try server.startPgbench()
            var points = [protected.firstPoint]
            for step in Self.steps.prefix(5) {
                // Locks of the load may have to be waited for; a rewrite has to win at last.
                try server.psql(step.sql, database: step.database)
                points.append(try protected.backup())
            }
            load.interrupt()
            for (number, point) in points.enumerated() {
                let expected = number == 0 ? "full-stream" : "incremental-stream"
                #expect(point.method == expected, "\(point.warnings ?? [])")
                let copy = try restoreFiles(protected, point)
                try copy.start()
                try copy.waitForPromotion()
                #expect(try Set(copy.pgbenchSums()).count == 1)
                let found = try copy.psql(
                    "set enable_seqscan = off; select count(*), sum(aid) from pgbench_accounts"
                )
                #expect(found == "100000|5000050000")
                try copy.judge()
                try FileSystem.removeTree(copy.dataDirectory)
            }
        }
    }

    @Test(arguments: majors)
    func `what did not change is neither sent nor stored`(major: Int) throws {
        try ProtectedServer.with(
            PostgresInstallation.required(major),
            options: Self.options,
            prepare: { server in
                try server.pgbenchInit(scale: 4)
                try server.psql("vacuum freeze")
            }
        ) { protected in
            let before = protected.firstPoint
            let idle = try protected.backup()
            #expect(idle.method == "incremental-stream")
            #expect(idle.pagesTotal > 7000 && idle.pagesNew < 40, "\(idle.pagesNew)")
            #expect(idle.parent == before.id)
            try protected.server.psql("update pgbench_accounts set abalance = 0 where aid = 1")
            let changed = try protected.backup()
            #expect(changed.method == "incremental-stream" && changed.pagesNew < 60)
            // The same in full stores no more.
            let full = try protected.ask(
                ["backup", "create", ProtectedServer.name, "--full-stream"],
                as: ProtectedServer.Point.self
            )
            #expect(full.method == "full-stream" && full.pagesNew < 60)
            #expect(full.warnings == [] && full.hints == [])
        }
    }

    /// Two files, of which the second is cut and grows again.
    @Test(arguments: majors)
    func `a relation of more than 1 GiB follows its changes`(major: Int) throws {
        var options = Self.options
        options.checksums = false
        try ProtectedServer.with(
            PostgresInstallation.required(major),
            options: options,
            prepare: { server in
                try server.psql(
                    """
                    create table big (id int, pad text);
                    alter table big alter pad set storage plain;
                    insert into big select g, repeat('x', 7000) from generate_series(1, 10) g;
                    """
                )
                let path = try server.psql("select pg_relation_filepath('big')")
                try server.stop()
                // Pages of zeros are new ones to PostgreSQL: a hole makes a small relation big.
                try File(server.dataDirectory + "/" + path, .update).truncate(to: 1 << 30)
                try server.start()
                try server.psql(
                    "insert into big select g, repeat('y', 7000) from generate_series(11, 300) g"
                )
            }
        ) { protected in
            let server = protected.server
            let query = """
                select count(*), sum(id), sum(length(pad)), min(ctid), max(ctid) from big;
                select pg_relation_size('big');
                """
            for change in [
                "update big set pad = repeat('z', 7000) where id % 40 = 0",
                "delete from big where id > 100; vacuum big",
                "insert into big select g, repeat('w', 7000) from generate_series(301, 500) g",
            ] {
                try server.psql(change)
                let point = try protected.backup()
                #expect(point.method == "incremental-stream", "\(point.warnings ?? [])")
                let copy = try protected.restore(["--point", point.id])
                #expect(try copy.psql(query) == server.psql(query), "\(change)")
                try copy.stop()
                try FileSystem.removeTree(copy.dataDirectory)
            }
        }
    }
}
