import Domain
import Platform
import TestSupport
import Testing

/// Servers of every shape there is: what is special about them comes back, and nothing of them is
/// lost.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct ShapesTests {
    private static let databases = ["leer", "Ünïcødé ☃", "with \"quotes\" and 'more' $1 \\x"]

    @Test(arguments: PostgresInstallation.testedMajors)
    func `tablespaces, odd tables, odd names, 1 MB segments and group access come back`(
        major: Int
    ) throws {
        var options = PostgresServer.Options()
        options.segmentMegabytes = 1
        options.groupAccess = true
        var tablespaces: [String] = []
        try ProtectedServer.with(
            PostgresInstallation.required(major),
            options: options,
            prepare: { tablespaces = try fill($0) }
        ) { protected in
            let server = protected.server
            let session = try server.startPsql(
                """
                create temp table passing as select generate_series(1, 10000);
                select pg_sleep(3600);
                """
            )
            try waitUntil("the temporary table is there") {
                try server.psql("select count(*) from pg_class where relname = 'passing'") == "1"
            }
            let point = try protected.backup()
            try server.psql("insert into near select g, 'later' from generate_series(1, 100) g")
            try protected.catchUp()
            let expected = try content(of: server)
            let mapped = try protected.scratch.serverDirectory("mapped")
            // Only root may create directories beside the copy here.
            _ = try protected.scratch.serverDirectory("copy.tablespaces")
            let copy = try protected.restoreOnly(
                ["--latest"],
                ["--tablespace", "\(tablespaces[0])=\(mapped)"]
            )
            session.kill()
            #expect(point.state == "completed")
            try checkFiles(of: copy, mapped: mapped, beside: tablespaces[1])
            try copy.start()
            try copy.waitForPromotion()
            #expect(try content(of: copy) == expected)
            #expect(try copy.psql("select count(*) from passing_away") == "0")
            try copy.psql("insert into passing_away values (1)")
            #expect(try copy.psql("show wal_segment_size") == "1MB")
            #expect(try copy.psql("show data_directory_mode") == "0750")
            // The source's own tablespaces were left alone.
            #expect(try content(of: server) == expected)
            try copy.judge()
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `configuration outside the data directory and 64 MB segments come back`(
        major: Int
    ) throws {
        var options = PostgresServer.Options()
        options.segmentMegabytes = 64
        options.configurationOutside = true
        try ProtectedServer.with(
            PostgresInstallation.required(major),
            options: options,
            prepare: { server in
                try spreadConfiguration(of: server)
                // PostgreSQL 15 can make such a tablespace but leaves it out of its backups.
                let tablespace = major > 15 ? "inside" : "pg_default"
                try server.psql(
                    """
                    set allow_in_place_tablespaces = on;
                    create tablespace inside location '';
                    create table within (a int) tablespace \(tablespace);
                    insert into within select generate_series(1, 1000);
                    """
                )
            }
        ) { protected in
            try protected.catchUp()
            let copy = try protected.restoreOnly(["--latest"])
            // Another host has none of these files.
            let away = protected.scratch.unusedPath("away")
            try protected.server.stop()
            try FileSystem.rename(protected.server.configurationDirectory, to: away)
            try FileSystem.rename(elsewhere(protected.scratch), to: away + "-too")
            try copy.start()
            try copy.waitForPromotion()
            let found = try copy.psql(
                """
                select name, setting from pg_settings where name in ('work_mem', 'temp_buffers',
                    'vacuum_cost_limit', 'bgwriter_delay', 'config_file', 'hba_file') order by name;
                show wal_segment_size; select count(*) from within;
                select count(*) from pg_hba_file_rules where 'marked' = any (user_name);
                """
            )
            #expect(
                found.split(separator: "\n") == [
                    "bgwriter_delay|4321", "config_file|\(copy.dataDirectory)/postgresql.conf",
                    "hba_file|\(copy.dataDirectory)/pg_hba.conf", "temp_buffers|1234",
                    "vacuum_cost_limit|321", "work_mem|5678", "64MB", "1000", "1",
                ]
            )
            try copy.judge()
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a tablespace made after the backup is not written to by a copy`(major: Int) throws {
        try ProtectedServer.with(PostgresInstallation.required(major)) { protected in
            let server = protected.server
            let before = try server.currentLSN()
            try server.createTablespace("young")
            try server.psql("create table in_it tablespace young as select 1 a")
            try protected.catchUp()
            let copy = protected.scratch.file("copy")
            let refused = try protected.pgkeep([
                "restore", "start", ProtectedServer.name, "--to-dir", copy,
            ])
            #expect(refused.exitCode == 3 && refused.errors.contains("young"), "\(refused.errors)")
            #expect(try FileSystem.info(copy) == nil)
            // Before it, and from a backup that has it, all is well.
            _ = try protected.restore(["--lsn", "\(before)"])
            _ = try protected.scratch.serverDirectory("copy-2.tablespaces")
            try protected.backup()
            let later = try protected.restore(["--latest"])
            try later.psql("drop table in_it")
            #expect(try server.psql("select a from in_it") == "1")
            try server.restart()
            #expect(try server.psql("select a from in_it") == "1")
        }
    }

    @Test func `a relation of more than 1 GiB comes back`() throws {
        var options = PostgresServer.Options()
        options.checksums = false
        try ProtectedServer.with(
            PostgresInstallation.required(18),
            options: options,
            prepare: { server in
                try server.psql(
                    """
                    create table big (id int, pad text) with (autovacuum_enabled = off);
                    alter table big alter pad set storage plain;
                    insert into big select g, repeat('x', 7000) from generate_series(1, 10) g;
                    """
                )
                let path = try server.psql("select pg_relation_filepath('big')")
                try server.stop()
                // New pages are zeros, so a hole up to the end of the file's first gibibyte makes
                // a big relation of a small one. What is inserted next lies behind it.
                try File(server.dataDirectory + "/" + path, .update).truncate(to: 1 << 30)
                try server.start()
                try server.psql(
                    "insert into big select g, repeat('y', 7000) from generate_series(11, 500) g"
                )
                #expect(try server.psql("select pg_relation_size('big') > 1 << 30") == "t")
            }
        ) { protected in
            try protected.server.psql("update big set pad = 'short' where id % 50 = 0")
            try protected.catchUp()
            let copy = try protected.restore(["--latest"])
            let query = """
                select count(*), sum(id), sum(length(pad)), min(ctid), max(ctid) from big;
                select pg_relation_size('big');
                """
            #expect(try copy.psql(query) == protected.server.psql(query))
        }
    }

    // MARK: The first shape

    /// Fills a server; returns the oids of its two tablespaces.
    private func fill(_ server: PostgresServer) throws -> [String] {
        try server.createTablespace("near")
        try server.createTablespace("fär weg")
        for name in Self.databases {
            try server.psql("create database \"\(name.replacing("\"", with: "\"\""))\"")
        }
        try server.psql(
            """
            create table near tablespace near as select g, repeat('n', 200) t
                from generate_series(1, 5000) g;
            create table "tä""ble q" tablespace "fär weg" as select g "spälte ☃"
                from generate_series(1, 5000) g;
            create index on "tä""ble q" ("spälte ☃") tablespace near;
            create unlogged table passing_away as select generate_series(1, 5000) g;
            create table hollow ();
            """
        )
        try server.psql("create table t as select 1 a", database: Self.databases[1])
        // PostgreSQL backs up whatever lies in its directory, under names of any encoding.
        try shell(#"mkdir "$odd"; printf data > "$odd/$name""#, in: server.dataDirectory)
        return try server.psql(
            "select oid from pg_tablespace where oid >= 16384 order by oid"
        ).split(separator: "\n").map(String.init)
    }

    /// Runs a shell command that knows an `odd` directory and a file's `name`, both no UTF-8.
    @discardableResult
    private func shell(_ command: String, in directory: String) throws -> String {
        var runner = CommandRunner.asServer
        runner.directory = directory
        let names = #"odd=$(printf 'd\351r'); name=$(printf 'na\377me\302'); "#
        return try runner.check("/bin/sh", ["-ec", names + command])
    }

    private func content(of server: PostgresServer) throws -> [String] {
        let here = try server.psql(
            """
            select count(*), sum(g), sum(length(t)) from near;
            select count(*), sum("spälte ☃") from "tä""ble q";
            select count(*) from hollow;
            select datname from pg_database order by datname;
            select spcname from pg_tablespace order by spcname;
            """
        )
        return [here, try server.psql("select a from t", database: Self.databases[1])]
    }

    private func checkFiles(of copy: PostgresServer, mapped: String, beside oid: String) throws {
        let directory = copy.dataDirectory
        #expect(try shell(#"cat "$odd/$name""#, in: directory) == "data")
        #expect(try FileSystem.info(directory)?.mode == 0o750)
        #expect(try FileSystem.info(directory + "/global/pg_control")?.mode == 0o640)
        #expect(try FileSystem.list(mapped)?.count == 1)
        #expect(try FileSystem.list("\(directory).tablespaces/\(oid)")?.count == 1)
        let passing = try CommandRunner.asServer.check(
            "/usr/bin/find",
            [directory, mapped, "-name", "t[0-9]*_[0-9]*"]
        )
        #expect(passing.isEmpty)
    }

    // MARK: The second shape

    private func elsewhere(_ scratch: ScratchDirectory) -> String { scratch.file("elsewhere") }

    /// Settings in a directory of files, in files of another directory, and in a file only such a
    /// file names.
    private func spreadConfiguration(of server: PostgresServer) throws {
        let scratch = try #require(server.scratch)
        let other = elsewhere(scratch)
        let files = [
            server.configurationDirectory + "/conf.d/one.conf": "work_mem = 5678\n",
            other + "/conf.d/two.conf": "temp_buffers = 1234\r\n",
            other + "/three.conf": "include 'four.conf'\n",
            other + "/four.conf": "vacuum_cost_limit = 321\n",
            other + "/five.conf": "bgwriter_delay = 4321\n",
        ]
        for (path, text) in files {
            try FileSystem.makeDirectories(FileSystem.parent(of: path) ?? "/", mode: 0o755)
            try FileSystem.writeAtomically(path, Array(text.utf8))
            try ServerUser.own(path)
        }
        for path in [other, other + "/conf.d", server.configurationDirectory + "/conf.d"] {
            try ServerUser.own(path)
        }
        try server.appendConfiguration(
            "postgresql.conf",
            """
            include_dir = 'conf.d'
            include_dir '\(other)/conf.d'
            include '\(other)/three.conf'
            include_if_exists = '\(other)/five.conf'
            include_if_exists = '\(other)/none.conf'
            external_pid_file = '\(other)/pid'

            """
        )
        try server.appendConfiguration("pg_hba.conf", "host all marked 192.0.2.1/32 reject\n")
        try server.restart()
    }
}
