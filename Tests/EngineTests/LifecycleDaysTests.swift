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
            #expect(try protected.points().map(\.id) == [protected.firstPoint.id, kept.id])
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
            let left = try protected.points().map(\.id)
            #expect(left == [kept.id, resumed.point.id.description])
            #expect(resumed.gap?.cause == .stopped)
            #expect(try count(protected, ["--point", kept.id]) == "0")
            #expect(try count(protected, []) == "1")
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
