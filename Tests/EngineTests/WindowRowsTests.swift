import Domain
import FoundationEssentials
import Platform
import TestSupport
import Testing

/// The recovery window as a promise: what lies in it restores, what lies outside is refused with
/// the moments next to it.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct WindowRowsTests {
    /// Moments that are planned, and how many of them are restored in earnest.
    private static let moments = (planned: 100, restored: 3)

    @Test func `row 23, 46, 47, 48: moments inside restore, others are exit 5 with neighbours`()
        throws
    {
        let major = try #require(PostgresInstallation.testedMajors.last)
        var options = PostgresServer.Options()
        options.settings = ["autovacuum": "off"]
        try ProtectedServer.with(
            PostgresInstallation.required(major),
            options: options,
            prepare: { try $0.psql("create table ledger (n int)") },
            { protected in
                let server = protected.server
                let begin = try server.currentLSN()
                let stream = try protected.startStream()
                // Commits with idle gaps between them, of the length a moment can fall into.
                for number in 0..<25 {
                    try server.psql("insert into ledger values (\(number))")
                    if number % 5 == 4 { letPass(seconds: 0.3) }
                }
                let log = try TransactionLog.read(server, from: begin)
                try protected.waitUntilStreamed()
                #expect(stream.terminate().succeeded)

                let interval = try #require(try protected.window().intervals.last)
                try planMoments(protected, log, interval)
                try refuseOthers(protected, interval)
                try restoreMoments(protected, log, interval)
                try restoreLatest(protected)
            }
        )
    }

    /// A hundred moments, those of idle gaps among them: each plan's end is the last commit due.
    private func planMoments(
        _ protected: ProtectedServer,
        _ log: TransactionLog,
        _ interval: ProtectedServer.Window.Interval
    ) throws {
        var random = SeededRandom(stream: "row 47")
        let commits = log.ends.filter { $0.isCommit && $0.time > interval.earliest }
        #expect(commits.count >= 25)
        for round in 0..<Self.moments.planned {
            let time = Timestamp(
                microseconds: Int64.random(
                    in: interval.earliest.microseconds...interval.latest.microseconds,
                    using: &random
                )
            )
            let plan = try protected.plan(["--time", "\(time)"])
            #expect(plan.reachable, "\(time): \(plan.reason)")
            let due = commits.last { $0.time <= time }?.time
            #expect(plan.effectiveTime == due ?? interval.earliest, "\(time)")
            guard round == 0 else { continue }
            try planElsewhere(protected, time, plan)
        }
    }

    /// Row 48: the operator's time zone changes nothing; an offset says the same moment.
    private func planElsewhere(
        _ protected: ProtectedServer,
        _ time: Timestamp,
        _ plan: ProtectedServer.Plan
    ) throws {
        let utc = "\(time)".dropLast()
        for (zone, text) in [
            ("Asia/Tokyo", "\(time)"), ("Asia/Tokyo", String(utc)),
            ("America/New_York", "\(time.adding(seconds: 9 * 3600))".dropLast() + "+09:00"),
        ] {
            let other = try ProtectedServer.read(
                protected.pgkeep(
                    ["restore", "plan", ProtectedServer.name, "--json", "--time", text],
                    ["TZ": zone]
                ),
                as: ProtectedServer.Plan.self
            )
            #expect(other.reachable == plan.reachable && other.point == plan.point)
            #expect(other.effectiveLsn == plan.effectiveLsn)
            #expect(other.effectiveTime == plan.effectiveTime)
        }
    }

    private func refuseOthers(
        _ protected: ProtectedServer,
        _ interval: ProtectedServer.Window.Interval
    ) throws {
        let end = interval.streamedUntil ?? interval.latest
        for (time, neighbour) in [
            (interval.earliest.adding(seconds: -3600), interval.earliest),
            (end.adding(seconds: 3600), end),
        ] {
            for verb in [["plan"], ["start", "--to-dir", "/tmp/never-made"]] {
                let refused = try protected.pgkeep(
                    ["restore", verb[0], ProtectedServer.name, "--time", "\(time)"]
                        + verb.dropFirst()
                )
                #expect(refused.exitCode == 5, "\(refused.errors)")
                #expect(refused.errors.contains("\(neighbour)"), "\(refused.errors)")
            }
        }
        #expect(try FileSystem.info("/tmp/never-made") == nil)
    }

    private func restoreMoments(
        _ protected: ProtectedServer,
        _ log: TransactionLog,
        _ interval: ProtectedServer.Window.Interval
    ) throws {
        var random = SeededRandom(stream: "row 23")
        let commits = log.ends.filter { $0.isCommit && $0.time > interval.earliest }
        for _ in 0..<Self.moments.restored {
            let time = Timestamp(
                microseconds: Int64.random(
                    in: interval.earliest.microseconds...interval.latest.microseconds,
                    using: &random
                )
            )
            let (copy, answer) = try protected.restoreFiles(["--time", "\(time)"])
            #expect(answer.requestedTime == time)
            #expect(answer.effectiveTime ?? time <= time)
            try copy.start()
            try copy.waitForPromotion()
            let rows = try copy.psql("select count(*) from ledger")
            #expect(rows == "\(commits.count { $0.time <= time })", "at \(time)")
            try copy.stop()
        }
    }

    /// Row 46: no target is the latest; no target is written, and the last row is there.
    private func restoreLatest(_ protected: ProtectedServer) throws {
        for target in [[], ["--latest"]] {
            let copy = try protected.restoreOnly(target)
            let written = String(
                decoding: try FileSystem.readFile(copy.dataDirectory + "/postgresql.auto.conf"),
                as: UTF8.self
            )
            for setting in ["time", "lsn", "xid", "name"] {
                #expect(!written.contains("recovery_target_\(setting) ="))
            }
            try copy.start()
            try copy.waitForPromotion()
            #expect(try copy.psql("select max(n) from ledger") == "24")
            try copy.stop()
        }
    }

    @Test func `row 25: one number is called retention and recovery window`() throws {
        struct Policy: Decodable { var retentionDays: Int }
        try ProtectedServer.with(.newest()) { protected in
            try protected.succeed(["policy", "create", "fortnight", "--retention", "14"])
            try protected.succeed(["instance", "change-policy", "main", "--policy", "fortnight"])
            let show = ["policy", "show", "fortnight"]
            #expect(try protected.ask(show, as: Policy.self).retentionDays == 14)
            for words in [show, ["window", "show", "main"]] {
                let lines = try protected.succeed(words).errors.split(separator: "\n")
                let promises = lines.filter { $0.contains("14 days") }
                #expect(promises.count == 1, "\(lines)")
                for word in ["retention", "recovery window"] {
                    #expect(promises.first?.contains(word) == true, "\(lines)")
                }
            }
        }
    }

    /// Only commits have times that recovery can stop at; heartbeats are such commits.
    @Test func `heartbeats let the window of an idle server grow, and spare standbys`() throws {
        let major = try #require(PostgresInstallation.testedMajors.last)
        var options = PostgresServer.Options()
        options.settings = ["autovacuum": "off"]
        try ProtectedServer.with(
            PostgresInstallation.required(major),
            options: options
        ) { protected in
            let server = protected.server
            try protected.makeSynchronous()
            let stream = try protected.startStream(["--heartbeat", "1"])
            try server.psql("create table last_word ()")
            try protected.waitUntilStreamed()
            let first = try #require(try protected.window().intervals.last).latest
            try waitUntil("two heartbeats are in the vault", seconds: 120) {
                let latest = try protected.window().intervals.last?.latest
                return latest.map { $0 >= first.adding(seconds: 2) } ?? false
            }
            #expect(stream.terminate().succeeded)
            let window = try #require(try protected.window().intervals.last)
            #expect(window.latest > first)
            // A moment between two of them has a commit behind it: recovery stops there.
            let between = Timestamp(
                microseconds: (first.microseconds + window.latest.microseconds) / 2
            )
            let plan = try protected.plan(["--time", "\(between)"])
            #expect(plan.reachable && plan.reason.contains("stops before"))

            try server.addSettings(["synchronous_standby_names": "''"])
            try server.reload()
            // What the standby is born with begins where the archive ends.
            try server.psql("select pg_switch_wal()")
            try protected.catchUp()
            let standby = try server.createStandby()
            try protected.lead(to: standby)
            let end = try server.currentLSN()
            let other = try protected.startPgkeep(
                ["wal", "stream", ProtectedServer.name, "--heartbeat", "1", "-v"]
            )
            try waitUntil("the standby is seen to be one", seconds: 120) {
                other.errorsSoFar.contains("the server is a standby")
            }
            #expect(other.terminate().succeeded)
            // The primary wrote no commit for it.
            let log = try TransactionLog.read(server, from: end)
            #expect(log.ends.filter(\.isCommit).isEmpty)
        }
    }
}
