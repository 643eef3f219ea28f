import Domain
import Platform
import Sealing
import Storage
import TestSupport
import Testing
import Vaulting

/// Whatever keeps a server from sending changed blocks: the backup is taken in full at once, says
/// why, and still stores only what changed.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct IncrementalFallbackTests {
    private static var majors: [Int] { ServerIncrementalTests.majors }

    private func protect(
        _ major: Int,
        _ prepare: (PostgresServer) throws -> Void = { try $0.pgbenchInit() },
        _ body: (ProtectedServer) throws -> Void
    ) throws {
        try ProtectedServer.with(
            PostgresInstallation.required(major),
            options: ServerIncrementalTests.options,
            prepare: prepare,
            body
        )
    }

    private func set(_ name: String, _ value: String, on server: PostgresServer) throws {
        try server.psql("alter system set \(name) = \(value)")
        try server.reload()
        try waitUntil("\(name) is \(value)") { try server.psql("show \(name)") == value }
    }

    /// Restores a point and compares pgbench's sums with the server's.
    private func check(_ protected: ProtectedServer, _ point: ProtectedServer.Point) throws {
        let expected = try protected.server.pgbenchSums()
        let copy = try protected.restore(["--point", point.id])
        #expect(try copy.pgbenchSums() == expected && Set(expected).count == 1)
        try copy.judge()
        try FileSystem.removeTree(copy.dataDirectory)
    }

    private func expectFull(
        _ point: ProtectedServer.Point,
        _ why: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let warning = point.warnings?.first { $0.contains("every page was read") } ?? ""
        #expect(point.method == "full-stream", sourceLocation: sourceLocation)
        #expect(
            warning.contains(why),
            "\(point.warnings ?? [])",
            sourceLocation: sourceLocation
        )
        #expect(
            point.pagesNew * 3 < point.pagesTotal,
            "\(point.pagesNew) of \(point.pagesTotal) pages",
            sourceLocation: sourceLocation
        )
    }

    @Test(arguments: majors)
    func `without summaries the backup says how to have them`(major: Int) throws {
        try protect(major) { protected in
            try set("summarize_wal", "off", on: protected.server)
            try protected.server.runPgbench(transactions: 20)
            let point = try protected.backup()
            #expect(point.method == "full-stream" && point.warnings == [])
            #expect(point.hints?.first?.contains("ALTER SYSTEM SET summarize_wal = on") == true)
            #expect(point.pagesNew * 5 < point.pagesTotal)
            try check(protected, point)
            // Asked for, it is no reason for a hint.
            let text = try protected.succeed(["backup", "create", "main", "--full-stream"])
            #expect(!(text.output + text.errors).contains("hint"))
            let said = try protected.succeed(["backup", "create", "main"])
            #expect((said.output + said.errors).contains("hint: summarize_wal is off"))
        }
    }

    @Test(arguments: majors)
    func `summaries that are gone cost one full stream`(major: Int) throws {
        try protect(major) { protected in
            let server = protected.server
            try server.runPgbench(transactions: 20)
            try server.psql("checkpoint")
            let summaries = server.dataDirectory + "/pg_wal/summaries"
            // All the next backup would need, so that nothing of it is made after the removal.
            let isSummarised = """
                select summarized_lsn >= (select redo_lsn from pg_control_checkpoint())
                from pg_get_wal_summarizer_state()
                """
            try waitUntil("all up to the checkpoint is summarised") {
                try server.psql(isSummarised) == "t"
            }
            for name in try FileSystem.list(summaries) ?? [] {
                try FileSystem.removeFile("\(summaries)/\(name)")
            }
            let point = try protected.backup()
            expectFull(point, "no complete WAL summaries")
            #expect(point.warnings?.first?.contains("wal_summary_keep_time") == true)
            try check(protected, point)
            try server.runPgbench(transactions: 20)
            let next = try protected.backup()
            #expect(next.method == "incremental-stream", "\(next.warnings ?? [])")
            try check(protected, next)
        }
    }

    @Test(arguments: majors)
    func `changes are sent across a promotion, and not against a branch left behind`(
        major: Int
    ) throws {
        try protect(major) { protected in
            let primary = protected.server
            let standby = try primary.createStandby()
            try primary.runPgbench(transactions: 20)
            #expect(try protected.backup().method == "incremental-stream")
            // Of what happens while this backup is taken, the standby gets the first part only.
            let taken = try protected.startPgkeep(
                ["backup", "create", ProtectedServer.name, "--full-stream", "--max-rate", "8192"]
            )
            try waitUntil("files are sent") {
                try primary.psql("select phase from pg_stat_progress_basebackup")
                    == "streaming database files"
            }
            try standby.catchUp(with: primary)
            try standby.stop()
            let fork = try primary.currentLSN()
            try primary.runPgbench(transactions: 200)
            #expect(taken.wait().succeeded)
            let branch = try #require(protected.points().last)
            let (begin, end) = (LSN(branch.startLsn), LSN(branch.stopLsn))
            #expect(try #require(begin) < fork && fork < #require(end))
            try primary.stop()

            try standby.start()
            #expect(try standby.promote() == 2)
            try protected.lead(to: standby)
            try standby.runPgbench(transactions: 400)
            #expect(try standby.currentLSN() > #require(end))
            let moved = try protected.backup()
            expectFull(moved, "not in the history")
            try check(protected, moved)
            try standby.runPgbench(transactions: 20)
            let next = try protected.backup()
            #expect(next.method == "incremental-stream", "\(next.warnings ?? [])")
            try check(protected, next)
        }
    }

    @Test(arguments: majors)
    func `a standby that summarises takes over after a failover`(major: Int) throws {
        try protect(major) { protected in
            let primary = protected.server
            let standby = try primary.createStandby()
            try primary.runPgbench(transactions: 20)
            let before = try protected.backup()
            #expect(before.method == "incremental-stream")
            try primary.runPgbench(transactions: 20)
            try standby.catchUp(with: primary)
            try primary.stop()
            #expect(try standby.promote() == 2)
            try protected.lead(to: standby)
            try standby.runPgbench(transactions: 20)
            let after = try protected.backup()
            #expect(after.method == "incremental-stream", "\(after.warnings ?? [])")
            #expect(after.parent == before.id && after.timeline == 2)
            try check(protected, after)
        }
    }

    @Test(arguments: majors)
    func `an expired parent gives way to an older one, or to none`(major: Int) throws {
        try protect(major) { protected in
            let server = protected.server
            try server.runPgbench(transactions: 20)
            let second = try protected.backup()
            try server.runPgbench(transactions: 20)
            try condemn(protected, second.id)
            let third = try protected.backup()
            #expect(third.method == "incremental-stream" && third.parent == protected.firstPoint.id)
            try check(protected, third)
            for id in [protected.firstPoint.id, third.id] { try condemn(protected, id) }
            let fourth = try protected.backup()
            #expect(fourth.method == "full-stream" && fourth.parent == nil)
            #expect(fourth.hints?.first?.contains("no earlier point") == true)
            try check(protected, fourth)
        }
    }

    /// A point is gone when its marker is there, whatever the marker says.
    private func condemn(_ protected: ProtectedServer, _ id: String) throws {
        let system = String(try protected.server.systemIdentifier(), radix: 16)
        let directory =
            "\(protected.vault)/c/\(String(repeating: "0", count: 16 - system.count))"
            + "\(system)/gone"
        try FileSystem.makeDirectories(directory)
        try ServerUser.own(directory)
        try FileSystem.writeAtomically("\(directory)/\(id)", [1])
        try ServerUser.own("\(directory)/\(id)")
    }

    @Test(arguments: majors)
    func `switched data checksums need every page`(major: Int) throws {
        try protect(major) { protected in
            let server = protected.server
            try server.stop()
            try server.check("pg_checksums", ["--disable", "-D", server.dataDirectory])
            try server.start()
            let off = try protected.backup()
            expectFull(off, "data checksums were switched")
            try server.stop()
            try server.check("pg_checksums", ["--enable", "-D", server.dataDirectory])
            try server.start()
            let point = try protected.backup()
            #expect(point.method == "full-stream")
            #expect(point.warnings?.first?.contains("data checksums were switched") == true)
            try check(protected, point)
            #expect(try protected.backup().method == "incremental-stream")
        }
    }

    @Test(arguments: majors)
    func `a pack that is missing is made up for by a stream of every page`(major: Int) throws {
        try protect(major) { protected in
            let objects = VaultObjects(vault: protected.vault)
            let packs = try objects.names().filter { $0.contains("/pack/") }
            let largest = try packs.max { try objects.size($0) < objects.size($1) }
            try FileSystem.removeFile("\(protected.vault)/\(try #require(largest))")
            try protected.server.runPgbench(transactions: 20)
            let point = try protected.backup()
            #expect(point.method == "full-stream")
            #expect(point.warnings?.first?.contains("damaged or missing") == true)
            // Whole without the missing pack.
            try check(protected, point)
            #expect(try protected.backup().method == "incremental-stream")
        }
    }

    @Test(arguments: majors)
    func `a parent's map that cannot be read makes the backup begin again in full`(
        major: Int
    ) throws {
        try protect(major) { protected in
            let server = protected.server
            try server.psql("update pgbench_accounts set abalance = abalance where aid % 100 = 0")
            let path = try server.psql("select pg_relation_filepath('pgbench_accounts')")
            let vault = try Vault.open(
                store: FileStore(protected.vault),
                keySource: .keyFile(KeyFile.read(protected.keyFile))
            )
            let system = SystemIdentifier(try server.systemIdentifier())
            let parent = try PointReader(
                vault,
                system,
                #require(PointID(protected.firstPoint.id))
            )
            guard case .file(_, _, .regions(let regions)) = try parent.entry(path: path)?.kind,
                let map = regions.first?.base
            else {
                Issue.record("the table's map is part of the catalog")
                return
            }
            let pack = VaultNames.pack(system, map.pack).text
            let point = try VaultObjects(vault: protected.vault)
                .with(.flipped(UInt64(map.offset) + 40), of: pack) { try protected.backup() }
            #expect(point.method == "full-stream" && point.parent == protected.firstPoint.id)
            let warning = point.warnings?.first ?? ""
            #expect(warning.contains("the parent point \(protected.firstPoint.id) is damaged"))
            #expect(try protected.points().count == 2)
            try check(protected, point)
            #expect(try protected.backup().method == "incremental-stream")
        }
    }
}
