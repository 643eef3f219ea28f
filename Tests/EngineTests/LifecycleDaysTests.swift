import Domain
import Engine
import Platform
import Sealing
import Storage
import TestSupport
import Testing
import Vaulting

/// What becomes of stopped and deleted instances of real servers in weeks and years: pruning runs
/// in this process on a clock that is set, everything else is the program.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct LifecycleDaysTests {
    private func context(_ protected: ProtectedServer, days: Int64) throws -> JobContext {
        let vault = try Vault.open(
            store: FileStore(protected.vault),
            keySource: .keyFile(KeyFile.read(protected.keyFile))
        )
        let clock = ManualClock(SystemClock().now.adding(seconds: days * 86400))
        return JobContext(vault: vault, clock: clock)
    }

    /// What this process wrote belongs to the operator afterwards.
    private func handOver(_ protected: ProtectedServer) throws {
        guard let name = ServerUser.name else { return }
        try CommandRunner().check("/bin/chown", ["-R", name, protected.vault])
    }

    /// Prunes in so many days; returns the report.
    private func prune(_ protected: ProtectedServer, days: Int64) throws -> PruneReport {
        let report = try PruneJob(
            context: context(protected, days: days),
            trustsClock: true
        ).run()
        try handOver(protected)
        return report
    }

    /// What points keep of the policy they were made under.
    private struct Terms: Decodable, Equatable {
        struct Stamp: Decodable, Equatable { var name: String }
        var id: String
        var finishedAt: Timestamp
        var expiresAt: Timestamp?
        var policy: Stamp?
    }

    private func terms(_ protected: ProtectedServer) throws -> [Terms] {
        struct List: Decodable { var points: [Terms] }
        return try protected.ask(["backup", "list", "main"], as: List.self).points
    }

    private func count(_ protected: ProtectedServer, _ target: [String]) throws -> String {
        let copy = try protected.restore(target)
        defer { try? copy.stop() }
        return try copy.psql("select count(*) from t")
    }

    @Test func `row 21, 92, 93: stopped for years all points stay, or the newest one`() throws {
        let prepare: (PostgresServer) throws -> Void = { server in
            try server.psql("create table t as select 1 as n")
        }
        try ProtectedServer.with(.newest(), prepare: prepare) { protected in
            for number in 2...3 {
                try protected.server.psql("insert into t values (\(number))")
                try protected.backup()
            }
            try protected.server.psql("insert into t values (4)")
            try protected.succeed(["instance", "stop", "main", "--retain", "forever", "--yes"])
            let points = try protected.points().map(\.id)
            #expect(points.count == 3)
            for days in [60, 3653] as [Int64] {
                let report = try prune(protected, days: days)
                #expect(report.instances.flatMap(\.points).allSatisfy { $0.kept })
                #expect(try protected.points().map(\.id) == points)
            }
            for (number, id) in points.enumerated() {
                #expect(try count(protected, ["--point", id]) == String(number + 1))
            }
            #expect(try count(protected, []) == "4")
            try protected.succeed(["instance", "stop", "main", "--retain", "policy", "--yes"])
            _ = try prune(protected, days: 3653 + 366)
            #expect(try protected.points().map(\.id) == points.suffix(1))
            #expect(try count(protected, []) == "4")
        }
    }

    @Test func `row 99: resuming lets go once what has expired meanwhile`() throws {
        let prepare: (PostgresServer) throws -> Void = { try $0.psql("create table t (n int)") }
        try ProtectedServer.with(.newest(), prepare: prepare) { protected in
            try protected.succeed(["policy", "create", "week", "--retention", "7"])
            try protected.succeed(["instance", "change-policy", "main", "--policy", "week"])
            // Of two points of today the policy keeps one for seven days, an operator the other.
            let kept = try protected.ask(
                [
                    "backup", "create", "main", "--name", "kept", "--keep-until",
                    "2099-01-01T00:00:00Z",
                ],
                as: ProtectedServer.Point.self
            )
            try protected.server.psql("insert into t values (1)")
            try protected.succeed(["instance", "stop", "main", "--retain", "forever", "--yes"])
            _ = try prune(protected, days: 8)
            let before = try terms(protected)
            try #require(before.map(\.id) == [protected.firstPoint.id, kept.id])
            for _ in 0..<3 { try protected.server.psql("select pg_switch_wal(); checkpoint") }
            let late = try context(protected, days: 8)
            try late.vault.instances().change("main") {
                try $0.setSource(protected.server.conninfo)
            }
            let resumed = try ResumeInstance(
                context: late,
                name: InstanceName(checking: "main"),
                trustsClock: true
            ).run()
            try handOver(protected)
            // The policy there was rules the new point; the kept one stays as it was.
            let left = try terms(protected)
            try #require(left.map(\.id) == [kept.id, resumed.point.id.description])
            #expect(left[0] == before[1] && left[0].expiresAt == Timestamp("2099-01-01T00:00:00Z"))
            #expect(before[0].policy?.name == "default" && left[1].policy?.name == "week")
            let expiry = try #require(left[1].expiresAt).seconds(since: left[1].finishedAt)
            #expect(abs(expiry - 7 * 86400) < 60)
            #expect(resumed.gap?.cause == .stopped)
            #expect(try count(protected, ["--point", kept.id]) == "0")
            #expect(try count(protected, []) == "1")
        }
    }

    @Test func `row 58: of a deleted instance nothing is found once it is purged`() throws {
        try ProtectedServer.with(.newest()) { protected in
            let point = protected.firstPoint
            let time = try #require(try protected.window().intervals.first).earliest
            try protected.succeed([
                "instance", "stop", "main", "--delete-data", "--reason", "test", "--confirm-name",
                "main", "--yes",
            ])
            #expect(try prune(protected, days: 15).trash.map(\.fate) == [.purged])
            let directory = protected.scratch.unusedPath("never")
            let targets = [
                [], ["--latest"], ["--time", "\(time)"], ["--lsn", point.stopLsn],
                ["--point", point.id],
            ]
            for target in targets {
                let start = ["restore", "start", "main", "--to-dir", directory]
                try protected.refuses(start + target, .notFound, ["no instance"])
            }
            for line in [["backup", "list", "main"], ["window", "show", "main"]] {
                try protected.refuses(line, .notFound, ["no instance"])
            }
            try protected.refuses(["backup", "show", point.id], .notFound, ["no recovery point"])
            #expect(try FileSystem.info(directory) == nil)
        }
    }

    @Test func `the last backup outlives its instance, until its own time is over`() throws {
        let prepare: (PostgresServer) throws -> Void = { try $0.psql("create table t (n int)") }
        try ProtectedServer.with(.newest(), prepare: prepare) { protected in
            struct Plan: Decodable { var token: String }
            struct Answer: Decodable { var finalPoint: ProtectedServer.Point }
            struct Shown: Decodable {
                struct Instance: Decodable { var state: String }
                var instance: Instance
            }
            try protected.server.psql("insert into t values (1)")
            let delete = ["instance", "delete", "main"]
            let plan = try protected.ask(delete + ["--plan"], as: Plan.self)
            let final = try protected.ask(
                delete + [
                    "--token", plan.token, "--confirm-name", "main", "--reason", "migrated",
                    "--yes", "--final-backup", "--keep-until", "2099-01-01T00:00:00Z",
                ],
                as: Answer.self
            ).finalPoint
            #expect(try prune(protected, days: 13).trash.isEmpty)
            #expect(try prune(protected, days: 15).trash.map(\.fate) == [.keptFinalPoint])
            #expect(try protected.points().map(\.id) == [final.id])
            let shown = try protected.ask(["instance", "show", "main"], as: Shown.self)
            #expect(shown.instance.state == "stopped-forever")
            #expect(try count(protected, ["--latest"]) == "1")
            try protected.succeed(["vault", "check", "--level", "decode"])
            let end = try #require(Timestamp("2099-01-02T00:00:00Z"))
            let days = Int64(end.seconds(since: SystemClock().now) / 86400)
            #expect(try prune(protected, days: days - 2).trash.isEmpty)
            #expect(try prune(protected, days: days + 1).trash.map(\.fate) == [.purged])
            try protected.refuses(
                ["restore", "plan", "main", "--latest"],
                .notFound,
                ["no instance"]
            )
            try protected.succeed(["vault", "check", "--level", "decode"])
        }
    }
}
