import Domain
import Platform
import TestSupport
import Testing

/// Chains of backups of real servers: each costs what changed, and each is whole by itself.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct IncrementalBackupTests {
    /// What happens between two backups of the chain, beside pgbench.
    private static let events: [(name: String, run: @Sendable (PostgresServer) throws -> Void)] = [
        ("a table", { try $0.psql("create table junk as select g, repeat('j', 300) t \(rows)") }),
        ("truncation", { try $0.psql("delete from junk where g > 5000; vacuum junk") }),
        ("extension", { try $0.psql("insert into junk select g, repeat('k', 500) \(rows)") }),
        ("VACUUM FULL", { try $0.psql("vacuum full pgbench_accounts; vacuum full junk") }),
        ("REINDEX", { try $0.psql("create index on junk (g); reindex table pgbench_accounts") }),
        ("a database copied", { try $0.psql("create database filed strategy file_copy") }),
        ("a database logged", { try $0.psql("create database logged strategy wal_log") }),
        (
            "a tablespace",
            {
                try $0.createTablespace("aside")
                try $0.psql("create table apart tablespace aside as select g \(rows)")
            }
        ),
        (
            "drops",
            {
                try $0.psql("drop table junk")
                try $0.psql("drop database filed")
                try $0.psql("truncate apart; insert into apart values (1)")
            }
        ),
    ]
    private static let rows = "from generate_series(1, 20000) g"

    private struct Moment {
        var name: String
        var point: ProtectedServer.Point
        var tablespaces: [String]
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `every point of a chain is whole, whatever changed`(major: Int) throws {
        let prepare: (PostgresServer) throws -> Void = { try $0.pgbenchInit(scale: 3) }
        try ProtectedServer.with(.required(major), prepare: prepare) { protected in
            let server = protected.server
            var moments: [Moment] = []
            for event in Self.events {
                let load = try server.startPgbench()
                try event.run(server)
                // pgbench goes on while the pages are read.
                let point = try protected.backup()
                _ = load.interrupt()
                #expect(point.parent == moments.last?.point.id ?? protected.firstPoint.id)
                #expect(point.pagesNew < point.pagesTotal, "\(event.name)")
                #expect(point.storedBytes < protected.firstPoint.storedBytes, "\(event.name)")
                let tablespaces = try server.psql(
                    "select oid from pg_tablespace where oid >= 16384"
                )
                moments.append(
                    Moment(
                        name: event.name,
                        point: point,
                        tablespaces: tablespaces.split(separator: "\n").map(String.init)
                    )
                )
            }
            try protected.succeed(["vault", "check", "--level", "decode"])
            for (number, moment) in moments.enumerated() {
                let copy = try restore(moment, protected)
                guard number % 3 == 2 else { continue }
                try copy.start()
                try copy.waitForPromotion()
                #expect(Set(try copy.pgbenchSums()).count == 1, "\(moment.name)")
                try copy.judge()
            }
        }
    }

    /// Restores one point, pg_verifybackup looking at the files.
    private func restore(
        _ moment: Moment,
        _ protected: ProtectedServer
    ) throws -> PostgresServer {
        let mapped = try moment.tablespaces.flatMap { oid in
            let directory = protected.scratch.unusedPath("mapped-\(oid)")
            try FileSystem.makeDirectories(directory)
            try ServerUser.own(directory)
            return ["--tablespace", "\(oid)=\(directory)"]
        }
        return try protected.restoreOnly(["--point", moment.point.id], mapped)
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `an unchanged server costs next to nothing`(major: Int) throws {
        let options = PostgresServer.Options(settings: ["autovacuum": "off"])
        let prepare: (PostgresServer) throws -> Void = { try $0.pgbenchInit(scale: 10) }
        try ProtectedServer.with(.required(major), options: options, prepare: prepare) {
            let second = try $0.backup()
            let third = try $0.backup()
            for point in [second, third] {
                #expect(point.pagesNew < 20)
                #expect(point.storedBytes < point.logicalBytes / 100, "\(point)")
                #expect(point.pagesTotal > 15_000)
            }
            #expect(third.parent == second.id && second.parent == $0.firstPoint.id)
            _ = try $0.restoreOnly(["--point", third.id])
        }
    }

    /// What no page LSN shows: hint bits and the flag of all-visible pages. With an old heap page
    /// under a new visibility map, a later change would not clear the map's bit, and index-only
    /// scans would show rows that are gone.
    @Test(arguments: PostgresInstallation.testedMajors)
    func `pages that change without a new LSN are stored`(major: Int) throws {
        var options = PostgresServer.Options(settings: ["autovacuum": "off"])
        options.checksums = false
        let prepare: (PostgresServer) throws -> Void = { server in
            try server.psql(
                """
                create table t (id int, pad text);
                create index on t (id);
                insert into t select g, repeat('p', 500) from generate_series(1, 20000) g;
                checkpoint;
                """
            )
        }
        try ProtectedServer.with(.required(major), options: options, prepare: prepare) {
            protected in
            let server = protected.server
            let heap = try #require(Int(try server.psql("select pg_relation_size('t') / 8192")))
            let before = try server.currentLSN()
            #expect(try server.psql("set enable_indexscan = off; select count(pad) from t") != "")
            try server.psql("checkpoint")
            // All hint bits are set, and next to no WAL tells of it.
            #expect(try server.currentLSN() - before < 1 << 20)
            let hinted = try protected.backup()
            #expect(hinted.pagesNew >= heap)
            try server.psql("vacuum t; checkpoint")
            let vacuumed = try protected.backup()
            #expect(vacuumed.pagesNew >= heap)
            let copy = try protected.restore(["--point", vacuumed.id])
            try expectVisibilityAgrees(on: copy)
            try copy.judge()
        }
    }

    private func expectVisibilityAgrees(on copy: PostgresServer) throws {
        let indexOnly = "set enable_seqscan = off; set enable_bitmapscan = off; "
        let scan = "select count(*) from t where id between 100 and 199"
        #expect(try copy.psql(indexOnly + "explain " + scan).contains("Index Only Scan"))
        #expect(try copy.psql(indexOnly + scan) == "100")
        if copy.installation.hasExtension("pg_visibility") {
            try copy.psql("create extension pg_visibility")
            let disagreeing = """
                select count(*) from pg_visibility('t') where all_visible and not pd_all_visible;
                select count(*) from pg_check_visible('t');
                """
            #expect(try copy.psql(disagreeing) == "0\n0")
            #expect(try copy.psql("select bool_and(all_visible) from pg_visibility('t')") == "t")
        }
        try copy.psql("delete from t where id % 2 = 0")
        #expect(try copy.psql(indexOnly + scan) == "50")
    }
}
