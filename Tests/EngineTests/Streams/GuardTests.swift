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

    @Test(arguments: [false, true])
    func `a slot that keeps too much is given up, by the record or the command`(
        byCommand: Bool
    ) throws {
        try protect(PostgresInstallation.newest().major) { protected in
            let server = protected.server
            try protected.catchUp()
            let limit = ["--give-up-slot-at", "20MiB"]
            if !byCommand {
                try protected.succeed(["instance", "change-source", "main"] + limit)
            }
            try write(server, segments: 6)
            try server.psql("checkpoint")
            let stream = try protected.startStream(
                ["--watch-every", "1"] + (byCommand ? limit : [])
            )
            try stream.waitForOutput("given up")
            try expectAnchor(protected, "given-up")
            #expect(stream.terminate().succeeded)
        }
    }

    @Test func `a stream that pauses gives the slot up as well: the server comes first`() throws {
        try protect(PostgresInstallation.newest().major) { protected in
            let server = protected.server
            try protected.catchUp()
            // More than any disk has: the vault counts as full.
            let stream = try protected.startPgkeep([
                "wal", "stream", "main", "--watch-every", "1", "--min-free", "1000TiB",
                "--give-up-slot-at", "20MiB",
            ])
            try stream.waitForOutput("stream paused")
            try write(server, segments: 6)
            try stream.waitForOutput("given up")
            try server.psql("checkpoint")
            try waitUntil("the slot keeps no more than it may", seconds: 120) {
                try server.psql(
                    """
                    select pg_wal_lsn_diff(pg_current_wal_flush_lsn(), restart_lsn) < 20 << 20
                    from pg_replication_slots
                    """
                ) == "t"
            }
            try stream.waitForOutput("a gap in the recovery window")
            #expect(stream.terminate().succeeded)
            // What the server still has is no loss; the next checkpoint leaves nothing of it.
            try write(server, segments: 1)
            try server.psql("checkpoint")
            let next = try protected.startStream()
            try server.psql("insert into t values (8)")
            try protected.waitUntilStreamed()
            try expectAnchor(protected, "given-up")
            #expect(next.terminate().succeeded)
        }
    }

    @Test func `WAL that a promoted standby never kept is a gap of the failover`() throws {
        let settings = ["min_wal_size": "32MB", "max_wal_size": "32MB", "wal_keep_size": "0"]
        try protect(PostgresInstallation.newest().major, settings) { protected in
            let primary = protected.server
            try protected.catchUp()
            let standby = try primary.createStandby(settings: settings)
            try write(primary, segments: 8)
            try standby.catchUp(with: primary)
            try primary.kill()
            try standby.promote()
            try write(standby, segments: 4)
            try standby.psql("checkpoint")
            try protected.lead(to: standby)
            let stream = try protected.startStream(["--accept-gap"])
            try stream.waitForOutput("a gap in the recovery window")
            try expectAnchor(protected, "failover")
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

    @Test func `a backup that is due waits while a standby lags`() throws {
        try WatchedInstance.with(.newest()) { watched in
            #expect(try watched.runDue().outcome == .completed)
            let server = watched.server
            let standby = try server.createStandby(settings: ["recovery_min_apply_delay": "1h"])
            try server.psql("create table changed ()")
            try waitUntil("the standby lags") {
                try server.psql(
                    """
                    select coalesce(bool_or(replay_lsn < flush_lsn), false)
                    from pg_stat_replication where state = 'streaming'
                    """
                ) == "t"
            }
            watched.clock.advance(seconds: 86_400)
            watched.options.maxLagSeconds = 1
            try waitUntil("the lag is more than a second") {
                let entry = try watched.runDue()
                return entry.outcome == .skipped && entry.skipReason == "source-busy"
            }
            try standby.stop()
            #expect(try watched.runDue().outcome == .completed)
        }
    }
}
