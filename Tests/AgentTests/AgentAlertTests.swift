import Domain
import FoundationEssentials
import Glibc
import Platform
import TestSupport
import Testing

/// What an agent tells of troubles with live servers, and that it takes back what is over.
@Suite(.enabled(if: PostgresInstallation.serversWanted))
struct AgentAlertTests {
    @Test func `a lost slot is told, and anchored by a backup that nobody asked for`() throws {
        try AgentFixture.with { fixture in
            let server = try fixture.server(settings: ["max_slot_wal_keep_size": "16MB"])
            try server.psql("create table t (n int)")
            try fixture.add(server, "main")
            let first = try fixture.agent()
            try first.waitFor("a backup was taken", instance: "main")
            try first.waitForStream("main")
            try fixture.waitForWAL(server, "main")

            // While nobody streams the slot falls behind.
            try first.end()
            try waitUntil("the slot is lost", seconds: 120) {
                try server.psql("insert into t values (1); select pg_switch_wal()")
                return try server.psql(
                    "checkpoint; select wal_status from pg_replication_slots"
                ) == "lost"
            }
            // The WAL is gone: that is told, and nobody is needed to mend it.
            let agent = try fixture.agent()
            try agent.waitFor("a backup was taken", instance: "main")
            // Soon after; nobody needs to wait for the agent's next look.
            try fixture.pgkeep("alert", "check")
            struct Alerts: Decodable {
                struct Alert: Decodable { var id: String }
                var alerts: [Alert]
            }
            let alerts = try fixture.ask(["alert", "list", "--all"], as: Alerts.self).alerts
            #expect(alerts.contains { $0.id.hasPrefix("window-gap/main:") }, "\(alerts)")
            try server.psql("insert into t values (2)")
            try fixture.waitForWAL(server, "main")
            let gaps = try fixture.status("main").gaps
            #expect(gaps.count == 1, "\(gaps)")
            #expect(try fixture.points("main").last?.trigger == "anchor")
            try agent.end()
        }
    }

    @Test func `a backup that fails is told, and the next that succeeds takes it back`() throws {
        try AgentFixture.with { fixture in
            let server = try fixture.server()
            try fixture.add(server, "main")
            let channel = try AlertFile(fixture)
            let agent = try fixture.agent()
            try agent.waitForStream("main")
            try agent.waitFor("a backup was taken", instance: "main")
            // A file the server cannot read fails a backup halfway, and nothing else.
            let blocked = server.dataDirectory + "/base/blocked"
            try FileSystem.writeAtomically(blocked, [1], mode: 0)
            #expect(chown(blocked, 0, 0) == 0)
            try server.psql("create table t ()")
            let failed = try fixture.runner.pgkeep(["backup", "create", "main"])
            #expect(!failed.succeeded && failed.errors.contains("blocked"), "\(failed.errors)")
            try fixture.pgkeep("alert", "check")
            try channel.waitFor("opened", "backup-failed/main")
            #expect(unlink(blocked) == 0)
            try fixture.pgkeep("backup", "create", "main")
            try fixture.pgkeep("alert", "check")
            try channel.waitFor("resolved", "backup-failed/main")
            try agent.end()
        }
    }

    @Test func `a stream that dies again and again is one alarm`() throws {
        try AgentFixture.with { fixture in
            let server = try fixture.server()
            try fixture.add(server, "main")
            let channel = try AlertFile(fixture)
            let agent = try fixture.agent()
            var stream = try agent.waitForStream("main")
            for _ in 1...4 {
                kill(stream, SIGKILL)
                stream = try agent.waitForStream("main", otherThan: stream)
            }
            kill(stream, SIGKILL)
            try agent.waitFor("fails again and again", instance: "main")
            try channel.waitFor("opened", "crash-loop/wal stream main")
            let told = channel.events.filter { $0.alert.hasPrefix("crash-loop") }
            #expect(told.count == 1, "\(told)")
            try agent.end()
        }
    }

    @Test func `a server stopped for a week: no storm, its backup first, its WAL without a gap`()
        throws
    {
        try AgentFixture.with { fixture in
            let clock = try ShiftedClock(in: fixture.scratch)
            let shifted = fixture.with(clock.variables)
            let server = try shifted.server(environment: clock.variables)
            try server.psql("create table t (n int)")
            try shifted.add(server, "main")
            let channel = try AlertFile(shifted)
            let agent = try shifted.agent()
            try agent.waitFor("a backup was taken", instance: "main")
            try agent.waitForStream("main")
            try server.psql("insert into t values (1)")
            try shifted.waitForWAL(server, "main")
            let before = try #require(try shifted.points("main").last)

            try server.stop()
            try waitUntil("the stream has noticed", seconds: 120) {
                try shifted.status("main").failure != nil
            }
            for _ in 1...7 {
                try clock.advance(seconds: 86_400)
                agent.command.signal(SIGHUP)
                try shifted.pgkeep("backup", "run-due")
                try shifted.pgkeep("alert", "check")
            }
            let away = channel.events
            #expect(away.count == 1 && away.first?.alert == "source-away/main", "\(away)")

            try server.start()
            try server.psql("insert into t values (2)")
            try agent.waitFor("a backup was taken", instance: "main", times: 2)
            try shifted.waitForWAL(server, "main")
            let after = try #require(try shifted.points("main").last)
            #expect(after.consistentAt.seconds(since: before.consistentAt) > 6 * 86_400)
            #expect(try shifted.status("main").gaps.isEmpty)
            try shifted.pgkeep("alert", "check")
            try clock.advance(seconds: 120)
            try shifted.pgkeep("alert", "check")
            try channel.waitFor("resolved", "source-away/main")
            #expect(channel.events.count == 2, "\(channel.events)")
            try agent.end()
        }
    }
}

/// A channel that writes down what it is told.
private struct AlertFile {
    struct Event: Decodable {
        var event: String
        var alert: String
    }

    private let path: String

    init(_ fixture: AgentFixture) throws {
        path = fixture.scratch.file("alerts")
        try fixture.pgkeep(
            "notify",
            "add",
            "file",
            "--exec",
            "cat >> '\(path)'",
            "--min-severity",
            "info"
        )
    }

    /// Told so far; without the tests and the changes of channels.
    var events: [Event] {
        let bytes = (try? FileSystem.readFile(path)) ?? []
        return bytes.split(separator: 10).compactMap {
            try? JSONDecoder().decode(Event.self, from: Data($0))
        }.filter { !$0.alert.hasPrefix("channels-changed") }
    }

    func waitFor(_ event: String, _ alert: String) throws {
        try waitUntil("\(alert) is \(event)", seconds: 240) {
            events.contains { $0.event == event && $0.alert.hasPrefix(alert) }
        }
    }
}
