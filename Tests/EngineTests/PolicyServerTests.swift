import Domain
import TestSupport
import Testing

/// Policies, points on demand and holds as an operator meets them, with a real server.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct PolicyServerTests {
    private struct Stamp: Decodable, Equatable {
        var name: String
        var revision: Int
        var retentionDays: Int
        var rule: String
    }
    private struct Point: Decodable {
        var id: String
        var name: String?
        var finishedAt: Timestamp
        var consistentAt: Timestamp
        var expiresAt: Timestamp?
        var keepUntil: Timestamp?
        var policy: Stamp?

        /// Days from its end to its expiry; the commit itself takes a moment.
        var days: Int? {
            expiresAt.map {
                Int(($0.seconds(since: max(finishedAt, consistentAt)) / 86400).rounded())
            }
        }
    }
    private struct Points: Decodable { var points: [Point] }
    private struct PolicyDocument: Decodable {
        var name: String
        var retentionDays: Int
        var schedule: String?
        var allowedHours: String?
        var instances: [String]?
    }
    private struct Change: Decodable {
        struct Effect: Decodable {
            var instance: String
            var pointsLost: [String]
            var pointsGained: [String]
            var earliestNow: Timestamp?
            var earliestThen: Timestamp?
        }
        var shorter: Bool
        var applied: Bool
        var token: String
        var effects: [Effect]
        var new: PolicyDocument
    }
    private struct Log: Decodable {
        struct Entry: Decodable {
            var action: String
            var actor: String
            var at: Timestamp
            var details: [String: String]
        }
        var activity: [Entry]
    }
    private struct Instance: Decodable {
        struct Record: Decodable { var policy: String }
        var instance: Record
    }

    private func points(_ protected: ProtectedServer) throws -> [Point] {
        try protected.ask(["backup", "list", "main"], as: Points.self).points
    }

    @Test func `row 19, 20, 77, 78: a change is logged, and moves no expiry there is`() throws {
        try ProtectedServer.with(.newest()) { protected in
            let first = try #require(try points(protected).first)
            #expect(
                first.policy
                    == Stamp(name: "default", revision: 0, retentionDays: 7, rule: "default")
            )
            #expect(first.days == 7)
            try protected.succeed(["policy", "create", "month", "--retention", "30"])
            try protected.succeed(["instance", "change-policy", "main", "--policy", "month"])
            let shown = try protected.ask(["instance", "show", "main"], as: Instance.self)
            #expect(shown.instance.policy == "month")
            #expect(
                try protected.ask(["policy", "show", "month"], as: PolicyDocument.self)
                    .instances == ["main"]
            )
            try protected.refuses(["policy", "delete", "month"], .refused, ["main"])
            let second = try protected.ask(["backup", "create", "main"], as: Point.self)
            #expect(second.policy?.retentionDays == 30 && second.days == 30)

            // 30 → 7: only after a look, and with its token.
            let shorten = ["policy", "set", "month", "--retention", "7"]
            try protected.refuses(shorten, .refused, ["keeps less", "--what-if"])
            let look = try protected.ask(shorten + ["--what-if"], as: Change.self)
            #expect(look.shorter && !look.applied && look.effects.map(\.instance) == ["main"])
            #expect(look.effects.first?.pointsLost == [])
            try protected.refuses(shorten + ["--token", "no"], .refused, ["not the token"])
            try protected.succeed(
                ["policy", "set", "month", "--retention", "29"]
                    + [
                        "--token",
                        try protected.ask(
                            ["policy", "set", "month", "--retention", "29", "--what-if"],
                            as: Change.self
                        ).token,
                    ]
            )
            // What was looked at is not what there is any more.
            try protected.refuses(shorten + ["--token", look.token], .refused, ["not the token"])
            let token = try protected.ask(shorten + ["--what-if"], as: Change.self).token
            let change = try protected.ask(shorten + ["--token", token], as: Change.self)
            #expect(change.applied && change.new.retentionDays == 7)

            let third = try protected.ask(["backup", "create", "main"], as: Point.self)
            #expect(third.days == 7)
            #expect(
                try points(protected).map(\.expiresAt)
                    == [first.expiresAt, second.expiresAt, third.expiresAt]
            )

            let log = try protected.ask(["activity", "list"], as: Log.self).activity
            let set = try #require(log.last { $0.action == "policy.set" })
            #expect(set.details["old"]?.contains("retention 29 d") == true)
            #expect(set.details["new"]?.contains("retention 7 d") == true)
            #expect(set.actor.contains("@") && set.at > first.finishedAt)
            let moved = try #require(log.last { $0.action == "instance.change-policy" })
            #expect(moved.details["old"]?.hasPrefix("default") == true)
            #expect(moved.details["new"]?.hasPrefix("month") == true)
        }
    }

    @Test func `row 66: points on demand have names, a cap, and stay as long as asked`() throws {
        try ProtectedServer.with(.newest()) { protected in
            try protected.succeed(["policy", "set", "default", "--keep-weekly", "5"])
            try protected.succeed(["policy", "set", "default", "--on-demand-max", "2"])
            let create = ["backup", "create", "main"]
            let until = protected.firstPoint.finishedAt.replacing(
                "20",
                with: "21",
                maxReplacements: 1
            )
            let named = try protected.ask(
                create + ["--name", "before", "--keep-until", until],
                as: Point.self
            )
            #expect(named.name == "before" && named.expiresAt == Timestamp(until))
            try protected.refuses(
                create + ["--name", "before"],
                .busy,
                ["before", "another name"]
            )
            try protected.refuses(create + ["--name", "a b"], .usage, ["no name"])
            try protected.refuses(create + ["--rule", "monthly"], .usage, ["--keep-monthly"])
            let ruled = try protected.ask(
                create + ["--name", "ruled", "--rule", "weekly"],
                as: Point.self
            )
            #expect(ruled.days == 35 && ruled.policy?.rule == "weekly")
            try protected.refuses(create + ["--name", "third"], .refused, ["--on-demand-max"])
            try protected.succeed(create)

            // What the policy made is not deleted by mistake; what is held not at all.
            let first = protected.firstPoint.id
            try protected.refuses(["backup", "delete", "main", first], .refused, ["--automatic"])
            struct Hold: Decodable { var id: String }
            let hold = try protected.ask(
                ["hold", "add", "main", "--point", "ruled", "--title", "case 4711"],
                as: Hold.self
            )
            try protected.refuses(
                ["backup", "delete", "main", "ruled"],
                .refused,
                ["case 4711", "hold release \(hold.id)"]
            )
            try protected.refuses(["hold", "release", "ffff"], .notFound, ["hold list"])
            try protected.refuses(
                ["backup", "delete", "main", "nothing"],
                .notFound,
                ["no recovery point nothing"]
            )
            try protected.succeed(["hold", "release", hold.id])
            try protected.succeed(["backup", "delete", "main", "ruled"])
            try protected.succeed(["backup", "delete", "main", first, "--automatic"])
            try protected.succeed(create + ["--name", "third"])
            #expect(try points(protected).map(\.name) == ["before", nil, "third"])
        }
    }
}
