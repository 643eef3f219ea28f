import Domain
import Platform
import TestSupport
import Testing

/// Stop, resume and delete beside a live server, by the program as an operator would.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct LifecycleServerTests {
    private struct Answer: Decodable {
        struct Instance: Decodable {
            struct Trash: Decodable {
                var purgeAt: Timestamp
                var reason: String
                var comment: String
                var by: String
                var finalPoint: String?
            }
            var state: String
            var stopReason: String?
            var trash: Trash?
        }
        var instance: Instance
        var warnings: [String]
        var finalPoint: ProtectedServer.Point?
    }

    private struct Plan: Decodable {
        var points: Int
        var bytes: UInt64
        var token: String
    }

    private func slots(_ protected: ProtectedServer) throws -> String {
        try protected.server.psql("select string_agg(slot_name, ',') from pg_replication_slots")
    }

    @Test func `row 92, 98: a stop keeps everything, resuming leaves a gap that says so`() throws {
        try ProtectedServer.with(.newest()) { protected in
            let server = protected.server
            let stream = try protected.startStream()
            try server.psql("create table t as select 1 as n")
            try protected.waitUntilStreamed()
            let stopped = try protected.ask(
                ["instance", "stop", "main", "--retain", "forever", "--yes"],
                as: Answer.self
            )
            #expect(stopped.instance.state == "stopped-forever")
            #expect(stopped.warnings.isEmpty, "\(stopped.warnings)")
            // The stream, another process, has ended in good order, and nothing is left behind.
            #expect(stream.wait().succeeded, "\(stream.errorsSoFar)")
            #expect(try slots(protected).isEmpty)
            for work in [["backup", "create", "main"], ["wal", "stream", "main"]] {
                try protected.refuses(work, .refused, ["stopped", "instance resume main"])
            }
            let first = try #require(try protected.window().intervals.last)
            try server.psql("insert into t values (2)")
            let missed = SystemClock().now.description
            try server.psql("insert into t values (3)")
            for _ in 0..<3 { try server.psql("select pg_switch_wal(); checkpoint") }
            try protected.succeed(["instance", "resume", "main"])
            #expect(try slots(protected) == "pgkeep_main")
            let again = try protected.startStream()
            try server.psql("insert into t values (4)")
            try protected.waitUntilStreamed()
            let window = try protected.window()
            #expect(window.intervals.count == 2)
            #expect(window.gaps.map(\.cause) == ["stopped"])
            #expect(window.intervals.first?.latestLsn == first.latestLsn)
            try protected.refuses(
                ["restore", "plan", "main", "--time", missed],
                .outsideWindow,
                ["recovery window"]
            )
            let before = try protected.restore(["--lsn", first.latestLsn.description])
            #expect(try before.psql("select count(*) from t") == "1")
            try before.stop()
            let latest = try protected.restore([])
            #expect(try latest.psql("select count(*) from t") == "4")
            try latest.stop()
            #expect(again.interrupt().succeeded)
            try protected.succeed(["vault", "check", "--level", "decode"])
        }
    }

    @Test func `row 91, 94, 95, 96, 97: stopping with the data gone asks for all it must`() throws {
        try ProtectedServer.with(.newest()) { protected in
            let stop = ["instance", "stop", "main"]
            let points = try protected.points().map(\.id)
            try protected.refuses(stop, .usage, ["--retain forever"])
            try protected.refuses(stop + ["--retain", "some"], .usage, ["forever, policy"])
            let both = stop + ["--retain", "policy", "--delete-data"]
            try protected.refuses(both, .usage, ["twice"])
            let reasons = ["--retain", "forever", "--yes", "--reason"]
            try protected.refuses(stop + reasons + ["boredom"], .usage, ["decommissioned"])
            // Nobody can be asked here: standard input is no terminal.
            try protected.refuses(stop + ["--retain", "forever"], .refused, ["--yes"])
            let delete = stop + ["--delete-data", "--reason", "test", "--comment", "it's over"]
            try protected.refuses(delete + ["--yes"], .refused, ["--confirm-name main"])
            try protected.refuses(delete + ["--confirm-name", "main"], .refused, ["--yes"])
            let wrong = delete + ["--yes", "--confirm-name", "mian"]
            try protected.refuses(wrong, .refused, ["mian", "nothing was deleted"])
            try protected.refuses(
                stop + ["--delete-data", "--yes", "--confirm-name", "main"],
                .usage,
                ["--reason is missing"]
            )
            #expect(try protected.points().map(\.id) == points)
            #expect(try slots(protected) == "pgkeep_main")
            let deleted = try protected.ask(
                delete + ["--yes", "--confirm-name", "main"],
                as: Answer.self
            )
            let trash = try #require(deleted.instance.trash)
            #expect(deleted.instance.state == "deleted")
            #expect(trash.reason == "test" && trash.comment == "it's over" && !trash.by.isEmpty)
            #expect(try slots(protected).isEmpty)
            try protected.refuses(
                ["restore", "start", "main", "--to-dir", protected.scratch.unusedPath("no")],
                .notFound,
                ["trash", "undelete"]
            )
            try protected.refuses(["instance", "resume", "main"], .refused, ["undelete"])
            try protected.refuses(
                ["instance", "add", "other", "--source", "service=main"],
                .refused,
                ["trash", "undelete"]
            )
            try protected.succeed(["instance", "undelete", "main"])
            #expect(try protected.points().map(\.id) == points)
            let stopped = stop + ["--retain", "policy", "--yes", "--reason", "migrated"]
            let answer = try protected.ask(stopped, as: Answer.self)
            #expect(answer.instance.stopReason == "migrated")
        }
    }

    @Test func `row 100: the last backup outlives its instance, the plan comes first`() throws {
        try ProtectedServer.with(.newest()) { protected in
            let delete = ["instance", "delete", "main"]
            try protected.refuses(delete, .refused, ["--plan"])
            let plan = try protected.ask(delete + ["--plan"], as: Plan.self)
            #expect(plan.points == 1 && plan.bytes > 0)
            try protected.server.psql("create table t as select 1 as n")
            let confirmed = [
                "--token", plan.token, "--confirm-name", "main", "--reason", "decommissioned",
                "--yes",
            ]
            let answer = try protected.ask(
                delete + confirmed + ["--final-backup", "--keep-until", "2099-01-01T00:00:00Z"],
                as: Answer.self
            )
            let final = try #require(answer.finalPoint?.id)
            #expect(answer.instance.trash?.finalPoint == final)
            try protected.refuses(["backup", "list", "main"], .notFound, ["trash"])
            try protected.refuses(delete + confirmed, .refused, ["undelete"])
        }
    }
}
