import Domain
import Glibc
import Platform
import TestSupport
import Testing

/// Deleting and pruning beside a live server, its stream, its backups and restores.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct PruneServerTests {
    private struct Report: Decodable {
        struct Instance: Decodable {
            struct WAL: Decodable {
                var fromLsn: LSN
                var toLsn: LSN
                var kept: Bool
            }
            struct Point: Decodable {
                var id: String
                var kept: Bool
                var reason: String
            }
            var points: [Point]
            var wal: [WAL]
            var droppedBytes: Int
            var warnings: [String]
        }
        var instances: [Instance]
        var droppedBytes: Int
    }

    private struct Deleted: Decodable {
        var id: String
        var pruneFreesBytes: Int?
    }

    private func prune(_ protected: ProtectedServer, _ arguments: [String] = []) throws
        -> Report.Instance
    {
        let report = try protected.ask(["vault", "prune"] + arguments, as: Report.self)
        return try #require(report.instances.first)
    }

    /// The sums of a restored point; its server is stopped again.
    private func sums(_ protected: ProtectedServer, _ target: [String]) throws -> [Int64] {
        let copy = try protected.restore(target)
        defer { try? copy.stop() }
        return try copy.pgbenchSums()
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `deleted points and their WAL go, all others restore`(major: Int) throws {
        let prepare: (PostgresServer) throws -> Void = { try $0.pgbenchInit() }
        try ProtectedServer.with(.required(major), prepare: prepare) { protected in
            let stream = try protected.startStream()
            var points = [protected.firstPoint]
            for _ in 0..<3 {
                try protected.server.runPgbench(transactions: 300)
                try protected.server.psql("select pg_switch_wal()")
                points.append(try protected.backup())
            }
            try protected.server.runPgbench(transactions: 100)
            try protected.waitUntilStreamed()
            // WAL before the first point may be there; after it nothing goes.
            _ = try prune(protected)
            #expect(try prune(protected).droppedBytes == 0)
            try refuses(protected, points.map(\.id))
            for id in [points[0].id, String(points[2].id.prefix(35))] {
                let answer = try protected.ask(
                    ["backup", "delete", "main", id, "--automatic"],
                    as: Deleted.self
                )
                #expect((answer.pruneFreesBytes ?? 0) > 0)
            }
            #expect(try protected.points().map(\.id) == [points[1].id, points[3].id])
            let dry = try prune(protected, ["--dry-run"])
            let real = try prune(protected)
            #expect(dry.droppedBytes == real.droppedBytes && real.droppedBytes > 0)
            #expect(real.points.filter { !$0.kept }.map(\.id) == [points[0].id, points[2].id])
            #expect(real.warnings.isEmpty)
            let start = try #require(LSN(points[1].startLsn))
            #expect(real.wal.allSatisfy { $0.kept == ($0.toLsn > start) })
            let idle = try protected.pgkeep(["vault", "prune"])
            #expect(idle.succeeded && idle.errors.isEmpty && idle.output.isEmpty)
            try protected.succeed(["vault", "check", "--level", "decode"])
            let window = try protected.window()
            #expect(window.intervals.count == 1 && window.gaps.isEmpty)
            #expect(try sums(protected, ["--latest"]) == protected.server.pgbenchSums())
            _ = try sums(protected, ["--point", points[1].id])
            // With a window of no days only the newest point leads on; the other is an island.
            _ = try prune(protected, ["--wal-days", "0"])
            try protected.succeed(["vault", "check", "--level", "decode"])
            #expect(try protected.window().gaps.allSatisfy { $0.cause == "pruned" })
            _ = try sums(protected, ["--point", points[1].id])
            #expect(try sums(protected, ["--latest"]) == protected.server.pgbenchSums())
            #expect(stream.interrupt().succeeded)
        }
    }

    private func refuses(_ protected: ProtectedServer, _ ids: [String]) throws {
        let newest = try #require(ids.last)
        try protected.refuses(
            ["backup", "delete", "main", newest],
            .refused,
            ["newest recovery point", "take another backup first"]
        )
        try protected.refuses(
            ["backup", "delete", "main", "ffff"],
            .notFound,
            ["no recovery point ffff", "backup list main"]
        )
        try protected.refuses(
            ["backup", "delete", "main", String(newest.prefix(1))],
            .usage,
            ["begin with", "more digits"]
        )
        try protected.refuses(["backup", "delete", "other", newest], .notFound, ["other"])
        #expect(try protected.points().map(\.id) == ids)
    }

    @Test func `pruning beside a backup, twice at once`() throws {
        let prepare: (PostgresServer) throws -> Void = { try $0.pgbenchInit(scale: 2) }
        try ProtectedServer.with(.newest(), prepare: prepare) { protected in
            try protected.server.runPgbench(transactions: 100)
            let second = try protected.backup()
            let running = try protected.startSlowBackup(8192)
            try protected.succeed([
                "backup", "delete", "main", protected.firstPoint.id, "--automatic",
            ])
            let prunes = try (0..<2).map { _ in try protected.startPgkeep(["vault", "prune"]) }
            for prune in prunes { #expect(prune.wait().succeeded, "\(prune.errorsSoFar)") }
            #expect(running.wait().succeeded, "\(running.errorsSoFar)")
            let third = try #require(try protected.points().last)
            #expect(try protected.points().map(\.id) == [second.id, third.id])
            _ = try prune(protected)
            try protected.succeed(["vault", "check", "--level", "decode"])
            for id in [second.id, third.id] { _ = try sums(protected, ["--point", id]) }
        }
    }

    @Test func `a killed backup leaves nothing behind the next pruning`() throws {
        let prepare: (PostgresServer) throws -> Void = { try $0.pgbenchInit(scale: 2) }
        try ProtectedServer.with(.newest(), prepare: prepare) { protected in
            try protected.startSlowBackup(8192).kill()
            let objects = VaultObjects(vault: protected.vault)
            #expect(try objects.names().contains { $0.contains("/lease/") })
            _ = try prune(protected)
            #expect(try !objects.names().contains { $0.contains("/lease/") })
            // What it stored may serve the next one; after that nothing is over.
            let next = try protected.backup()
            _ = try prune(protected)
            #expect(try !objects.names().contains { $0.contains("/draft/") })
            let idle = try protected.pgkeep(["vault", "prune"])
            #expect(idle.succeeded && idle.errors.isEmpty && idle.output.isEmpty)
            try protected.succeed(["vault", "check", "--level", "decode"])
            _ = try sums(protected, ["--point", next.id])
        }
    }

    @Test func `a point deleted during a restore stays until it ends`() throws {
        let prepare: (PostgresServer) throws -> Void = { try $0.pgbenchInit(scale: 5) }
        try ProtectedServer.with(.newest(), prepare: prepare) { protected in
            let first = protected.firstPoint.id
            try protected.backup()
            let objects = VaultObjects(vault: protected.vault)
            let directory = protected.scratch.unusedPath("operator/copy")
            let restore = try protected.startPgkeep([
                "restore", "start", "main", "--to-dir", directory, "--point", first,
            ])
            // It opens the point under its lease; a point deleted between the two is not found.
            try waitUntil("the restore has opened the point") {
                try restore.result != nil || FileSystem.info(directory + "/base") != nil
            }
            restore.signal(SIGSTOP)
            try #require(restore.isRunning, "it was too fast to be stopped")
            try protected.succeed(["backup", "delete", "main", first, "--automatic"])
            let pinned = try prune(protected)
            #expect(pinned.points.first?.reason.contains("a restore is reading it") == true)
            #expect(try objects.names().contains { $0.hasSuffix("/rp/\(first)") })
            restore.signal(SIGCONT)
            let ended = restore.wait()
            #expect(ended.succeeded, "\(ended.errors)")
            try protected.server.check("pg_verifybackup", [directory])
            _ = try prune(protected)
            #expect(try !objects.names().contains { $0.hasSuffix("/rp/\(first)") })
            try protected.refuses(
                ["restore", "start", "main", "--to-dir", directory + "-2", "--point", first],
                .notFound,
                ["no recovery point"]
            )
            try protected.succeed(["vault", "check", "--level", "decode"])
        }
    }
}
