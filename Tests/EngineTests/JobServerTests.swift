import Domain
import FoundationEssentials
import Platform
import TestSupport
import Testing

/// Jobs of a live server's backups and restores, followed from other processes.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct JobServerTests {
    private struct Job: Decodable {
        struct Phase: Decodable {
            var name: String
            var bytes: UInt64
        }
        var id: String
        var kind: String
        var trigger: String
        var state: String
        var percent: Double
        var etaSeconds: Double?
        var phases: [Phase]
        var point: String?
        var errorCode: String?
        var message: String?
        var retryable: Bool
    }

    private struct JobList: Decodable { var jobs: [Job] }

    private struct Watched: Decodable {
        struct Sample: Decodable {
            var at: Timestamp
            var phase: String?
            var percent: Double
            var etaSeconds: Double?
        }
        var state: String
        var percent: Double
        var startedAt: Timestamp
        var endedAt: Timestamp
        var samples: [Sample]
    }

    private struct Activity: Decodable {
        struct Entry: Decodable {
            var action: String
            var instance: String?
            var details: [String: String]
        }
        var activity: [Entry]
    }

    private func jobs(_ protected: ProtectedServer, _ arguments: [String] = []) throws -> [Job] {
        try protected.ask(["job", "list"] + arguments, as: JobList.self).jobs
    }

    /// The one job that runs, once it is seen.
    private func running(_ protected: ProtectedServer, kind: String) throws -> Job {
        var found: Job?
        try waitUntil("a \(kind) runs", seconds: 120) {
            found = try jobs(protected, ["--status", "running", "--kind", kind]).first
            return found != nil
        }
        return try #require(found)
    }

    /// Percent never goes back and ends at 100; after the first quarter the time left is told
    /// within a factor of 2, three seconds more or less: the start and the promotion of a copy, and
    /// the time between two looks, have no bytes to be measured by.
    private func judge(_ watched: Watched) {
        #expect(watched.state == "completed" && watched.percent == 100)
        #expect(watched.samples.last?.percent == 100)
        for (early, late) in zip(watched.samples, watched.samples.dropFirst()) {
            #expect(early.percent <= late.percent)
        }
        let whole = watched.endedAt.seconds(since: watched.startedAt)
        let judged = watched.samples.filter {
            let elapsed = $0.at.seconds(since: watched.startedAt)
            return elapsed >= whole / 4 && elapsed <= whole * 0.9
        }
        // In less than the slack there may be no sample to judge, and any would do.
        #expect(
            !judged.isEmpty || whole < 3,
            "only \(watched.samples.count) samples in \(whole) s"
        )
        for sample in judged {
            let left = watched.endedAt.seconds(since: sample.at)
            let eta = sample.etaSeconds ?? -1
            #expect((left / 2 - 3...left * 2 + 3).contains(eta), "\(sample): \(left) s were left")
        }
    }

    @Test func `row 86, acceptance 5: watching a backup and a restore to 100 percent`() throws {
        let prepare: (PostgresServer) throws -> Void = { try $0.pgbenchInit(scale: 4) }
        try ProtectedServer.with(.newest(), prepare: prepare) { protected in
            let backup = try protected.startSlowBackup(8192)
            let id = try running(protected, kind: "backup").id
            let watch = try protected.pgkeep(["job", "watch", id, "--json"])
            #expect(watch.succeeded && backup.wait().succeeded)
            judge(try ProtectedServer.read(watch, as: Watched.self))
            let ended = try #require(try jobs(protected).first { $0.id == id })
            #expect(ended.phases.map(\.name) == ["connect", "checkpoint", "copy", "wal", "commit"])
            #expect(ended.phases.contains { $0.name == "copy" && $0.bytes > 32 << 20 })
            #expect(try protected.points().map(\.id).last == ended.point)

            // Enough WAL that replaying it takes longer than placing the files.
            try protected.server.runPgbench(transactions: 3000)
            try protected.catchUp()
            let directory = protected.scratch.unusedPath("watched")
            try FileSystem.makeDirectories(directory)
            try ServerUser.own(directory)
            let restore = try protected.startPgkeep([
                "restore", "start", "main", "--to-dir", directory, "--run", "--pg-bin",
                protected.server.installation.binaries,
            ])
            let restoreID = try running(protected, kind: "restore").id
            let watched = try protected.pgkeep(["job", "watch", restoreID, "--json"])
            let result = restore.wait()
            #expect(result.succeeded, "\(result.errors)")
            let told = try ProtectedServer.read(watched, as: Watched.self)
            judge(told)
            #expect(told.samples.contains { $0.phase == "replay" && $0.etaSeconds != nil })
            let copy = try PostgresServer(
                protected.server.installation,
                dataDirectory: directory,
                in: protected.scratch
            )
            try copy.stop()
        }
    }

    @Test func `row 57, 85: a restore is a job, two entries of activity and two notices`() throws {
        try ProtectedServer.with(.newest()) { protected in
            let told = protected.scratch.unusedPath("told")
            let directory = protected.scratch.unusedPath("copy")
            try FileSystem.makeDirectories(told)
            try FileSystem.makeDirectories(directory)
            for path in [told, directory] { try ServerUser.own(path) }
            let hook = ["PGKEEP_HOOK": "cat >> \(told)/events"]
            let arguments = ["restore", "start", "main", "--to-dir", directory]
            #expect(try protected.pgkeep(arguments, hook).succeeded)
            // Into a directory that is not empty: refused, which is told, too.
            #expect(try protected.pgkeep(arguments, hook).exitCode == 3)
            let restores = try jobs(protected, ["--kind", "restore"])
            #expect(restores.map(\.state) == ["completed", "failed"])
            #expect(restores.map(\.errorCode) == [nil, "restore.target"])
            #expect(restores[0].point == protected.firstPoint.id && !restores[1].retryable)
            let entries = try protected.ask(["activity", "list"], as: Activity.self).activity
                .filter { $0.action.hasPrefix("restore.") }
            let actions = [
                "restore.started", "restore.completed", "restore.started", "restore.failed",
            ]
            #expect(entries.map(\.action) == actions)
            #expect(entries.allSatisfy { $0.instance == "main" })
            #expect(entries[1].details["job"] == restores[0].id)
            #expect(entries[3].details["error_code"] == "restore.target")
            try protected.succeed(["activity", "verify"])
            let events = String(
                decoding: try FileSystem.readFile(told + "/events"),
                as: UTF8.self
            ).split(separator: "\n")
            #expect(events.count == 4)
            for (event, action) in zip(events, actions) {
                #expect(event.contains("\"event\":\"\(action)\""))
            }
            // A hook that fails is a warning of the job, never a failed restore.
            let other = protected.scratch.unusedPath("copy")
            try FileSystem.makeDirectories(other)
            try ServerUser.own(other)
            let result = try protected.pgkeep(
                ["restore", "start", "main", "--to-dir", other],
                ["PGKEEP_HOOK": "exit 3"]
            )
            #expect(result.succeeded, "\(result.errors)")
            #expect(result.errors.contains("the hook failed"))
            #expect(try jobs(protected).last?.state == "completed-warning")
        }
    }

    @Test func `row 80: counts match, whatever becomes of the runs`() throws {
        let prepare: (PostgresServer) throws -> Void = { try $0.pgbenchInit(scale: 2) }
        try ProtectedServer.with(.newest(), prepare: prepare) { protected in
            let before = try jobs(protected, ["--all"]).count
            let first = try protected.startSlowBackup(4096)
            // The second finds the first at it: no failure, but on record.
            #expect(try protected.pgkeep(["backup", "create", "main"]).exitCode == 8)
            let id = try running(protected, kind: "backup").id
            try protected.succeed(["job", "cancel", id])
            #expect(first.wait().exitCode == 130)
            #expect(first.errorsSoFar.contains("with job cancel"))
            let killed = try protected.startSlowBackup(4096)
            let killedID = try running(protected, kind: "backup").id
            try waitUntil("the copy is under way", seconds: 60) {
                try jobs(protected, ["--status", "running"]).first?.phases.last?.name == "copy"
            }
            killed.kill()
            let shown = try protected.ask(["job", "show", killedID], as: Job.self)
            #expect(shown.state == "failed" && shown.retryable)
            #expect(shown.message?.hasSuffix("in phase copy") == true, "\(shown)")
            try protected.backup()
            try protected.catchUp()
            try protected.catchUp()
            try protected.succeed(["vault", "prune"])
            try protected.succeed(["vault", "prune", "--dry-run"])
            try deletePoints(protected)
            let states = try jobs(protected, ["--all"]).dropFirst(before)
                .filter { $0.kind != "stream" }
                .map { "\($0.kind) \($0.state)" }
            #expect(
                states.sorted() == [
                    "backup cancelled", "backup completed", "backup failed", "backup skipped",
                    "delete completed", "delete failed", "prune completed",
                ]
            )
            // Of the streams at most the first had something to fetch.
            #expect(try jobs(protected, ["--kind", "stream"]).count <= 1)
            let cancelled = try protected.pgkeep(["job", "watch", id])
            #expect(cancelled.exitCode == 1 && cancelled.errors.contains("with job cancel"))
        }
    }

    /// One point goes, the newest one must not; who only looks leaves no record.
    private func deletePoints(_ protected: ProtectedServer) throws {
        let delete = ["backup", "delete", "main", "--automatic"]
        let points = try protected.points().map(\.id)
        try #require(points.count == 2)
        try protected.succeed(delete + [points[0], "--dry-run"])
        #expect(try jobs(protected, ["--kind", "delete"]).isEmpty)
        try protected.refuses(delete + [points[1]], .refused, ["newest recovery point"])
        try protected.succeed(delete + [points[0]])
        let deletions = try jobs(protected, ["--kind", "delete"])
        #expect(deletions.map(\.point) == [nil, points[0]])
        #expect(deletions.map(\.errorCode) == ["refused", nil])
    }
}
