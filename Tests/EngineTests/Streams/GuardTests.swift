import Domain
import Engine
import Platform
import TestSupport
import Testing

/// The source comes first: what a slot does to it is seen, told and limited, and what that costs is
/// made up by the next backup.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct GuardTests {
    private func write(_ server: PostgresServer, segments: Int) throws {
        for _ in 0..<segments {
            try server.psql("insert into t values (9); select pg_switch_wal()")
        }
    }

    private func protect(
        _ major: Int,
        _ settings: [String: String] = [:],
        _ body: (ProtectedServer) throws -> Void
    ) throws {
        try ProtectedServer.with(
            .required(major),
            options: PostgresServer.Options(settings: settings),
            prepare: { try $0.psql("create table t (x int)") },
            body
        )
    }

    /// The gap is there, behind it a backup is due at once and once, and then all goes on.
    private func expectAnchor(_ protected: ProtectedServer, _ cause: String) throws {
        #expect(try protected.window().gaps.contains { $0.cause == cause })
        let due = try #require(try protected.runDue())
        #expect(due.outcome == "completed" && due.point?.trigger == "anchor")
        #expect(try protected.runDue()?.outcome == "not-due")
        try protected.server.psql("insert into t values (77)")
        try protected.waitUntilStreamed()
        #expect(try protected.plan([]).point == due.point?.id)
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a lost slot is a gap, the stream goes on, and a backup anchors it`(major: Int) throws {
        try protect(major, ["max_slot_wal_keep_size": "16MB"]) { protected in
            let server = protected.server
            try protected.catchUp()
            try write(server, segments: 8)
            try waitUntil("the slot is lost") {
                try server.psql("checkpoint; select wal_status from pg_replication_slots") == "lost"
            }
            let stream = try protected.startStream(["--accept-gap", "--watch-every", "1"])
            try stream.waitForOutput("a gap in the recovery window")
            try expectAnchor(protected, "slot-lost")
            try waitUntil("the slot is seen", seconds: 120) {
                try protected.walState().safeWalBytes != nil
            }
            let state = try protected.walState()
            #expect(state.slotState == "reserved" && state.slotRetainedBytes != nil)
            #expect(stream.terminate().succeeded)
        }
    }

    @Test func `a slot that keeps too much is given up, by the record or the command`() throws {
        try protect(PostgresInstallation.newest().major) { protected in
            let server = protected.server
            try protected.catchUp()
            try protected.succeed([
                "instance", "change-source", "main", "--give-up-slot-at", "20MiB",
            ])
            try write(server, segments: 6)
            try server.psql("checkpoint")
            let stream = try protected.startStream(["--watch-every", "1"])
            try stream.waitForOutput("given up")
            try expectAnchor(protected, "given-up")
            #expect(stream.terminate().succeeded)
        }
    }

    @Test func `a role without SQL rights is told what cannot be watched`() throws {
        try protect(PostgresInstallation.newest().major) { protected in
            let server = protected.server
            try server.psql("create role streamer login replication")
            try server.setHostAccess([
                "local replication streamer trust", "local all postgres trust",
                "local replication postgres trust",
            ])
            try server.reload()
            try protected.succeed([
                "instance", "change-source", "main", "--source",
                server.conninfo(user: "streamer"),
            ])
            let stream = try protected.startStream(["--watch-every", "1"])
            try waitUntil("the slot was looked at", seconds: 120) {
                try protected.walState().slotNote?.contains("safe_wal_size cannot be read") == true
            }
            #expect(try protected.walState().slotRetainedBytes != nil)
            #expect(stream.terminate().succeeded)
        }
    }

    @Test func `a backup that is due waits while the server is busy`() throws {
        try WatchedInstance.with(.newest()) { watched in
            #expect(try watched.runDue().outcome == .completed)
            let server = watched.server
            let busy = try (0..<4).map { _ in try server.startPsql("select pg_sleep(600)") }
            try waitUntil("the sessions are at work") {
                try server.psql(
                    "select count(*) from pg_stat_activity where query like '%pg_sleep%'"
                        + " and state = 'active' and pid <> pg_backend_pid()"
                ) == "4"
            }
            try server.psql("create table changed ()")
            watched.clock.advance(seconds: 86_400)
            watched.options.maxLoad = 2
            for isNews in [true, false] {
                let entry = try watched.runDue()
                #expect(entry.outcome == .skipped && entry.skipReason == "source-busy")
                #expect(entry.isNews == isNews)
            }
            for session in busy { session.interrupt() }
            #expect(try watched.runDue().outcome == .completed)
        }
    }
}
