import Domain
import TestSupport
import Testing

/// What an operator sets for an instance of a real server when adding it, and how a lock keeps it.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct LockServerTests {
    private struct Point: Decodable {
        struct Stamp: Decodable {
            var name: String
            var retentionDays: Int
        }

        var id: String
        var policy: Stamp?
        var finishedAt: Timestamp
        var expiresAt: Timestamp?
    }

    private struct PointList: Decodable { var points: [Point] }
    private struct Token: Decodable { var token: String }

    @Test func `row 19, 59: retention is set when adding, and a lock keeps it from being less`()
        throws
    {
        try ProtectedServer.withVault(.newest()) { protected in
            let add = ["instance", "add", "main", "--source", "service=main"]
            try protected.succeed(add + ["--retention", "14"])
            let points = try protected.ask(["backup", "list", "main"], as: PointList.self).points
            let first = try #require(points.first)
            let policy = try #require(first.policy)
            #expect(policy.retentionDays == 14)
            let expiry = try #require(first.expiresAt)
            let wanted = first.finishedAt.adding(seconds: 14 * 86400)
            #expect(abs(expiry.seconds(since: wanted)) < 60)

            try protected.succeed(["instance", "lock", "main", "--level", "delete"])
            let set = ["policy", "set", policy.name, "--retention"]
            let look = try protected.ask(set + ["7", "--what-if"], as: Token.self)
            let stop = ["instance", "stop", "main", "--yes"]
            let lines = [
                ["backup", "delete", "main", first.id, "--automatic"],
                stop + ["--retain", "forever"], stop + ["--retain", "policy"],
                stop + ["--delete-data", "--confirm-name", "main", "--reason", "test"],
                ["instance", "delete", "main", "--plan"], set + ["7", "--token", look.token],
            ]
            for line in lines { try protected.refuses(line, .refused, ["instance unlock main"]) }
            #expect(try protected.points().map(\.id) == [first.id])
            // More may be kept, and work goes on.
            try protected.succeed(set + ["20"])
            try protected.backup()
            try protected.succeed(["instance", "unlock", "main", "--yes"])
            try protected.succeed(["backup", "delete", "main", first.id, "--automatic"])
            try protected.succeed(stop + ["--retain", "forever"])
        }
    }
}
