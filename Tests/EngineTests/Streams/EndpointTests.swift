import Domain
import Platform
import TestSupport
import Testing

/// A primary and its standby as one instance: WAL and backups from either, and over a failover.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct EndpointTests {
    private func isStreamed(_ server: PostgresServer) throws -> Bool {
        try server.psql(
            """
            select count(*) from pg_stat_replication
            where application_name = 'pgkeep' and state = 'streaming'
            """
        ) == "1"
    }

    private func slotLag(_ server: PostgresServer, _ end: LSN) throws -> UInt64? {
        let text = try server.psql(
            "select restart_lsn from pg_replication_slots where slot_name = 'pgkeep_main'"
        )
        return LSN(text).map { end > $0 ? end - $0 : 0 }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `row 11, 12: WAL from the standby or the primary, over a failover`(major: Int) throws {
        let prepare: (PostgresServer) throws -> Void = { try $0.psql("create table t (x int)") }
        try ProtectedServer.with(.required(major), prepare: prepare) { protected in
            let primary = protected.server
            let standby = try primary.createStandby()
            try protected.succeed(["instance", "add", "main", "--source", standby.conninfo])
            try protected.succeed([
                "instance", "change-source", "main", "--wal-from", "standby,primary",
                "--base-from", "primary,standby",
            ])
            let stream = try protected.startPgkeep([
                "wal", "stream", "main", "--watch-every", "1",
            ])
            try waitUntil("the standby is streamed from", seconds: 120) { try isStreamed(standby) }
            #expect(try !isStreamed(primary))
            let point = try protected.backup()
            #expect(try primary.psql("select pg_is_in_recovery()") == "f")
            try protected.succeed(["backup", "show", point.id])

            // What the stream does not use keeps no WAL, and is there when it is needed.
            for _ in 0..<3 { try primary.psql("insert into t values (1); select pg_switch_wal()") }
            let end = try primary.currentLSN()
            try waitUntil("the primary's slot follows", seconds: 120) {
                try slotLag(primary, end).map { $0 <= 16 << 20 } ?? false
            }

            // Gone: the other one is taken. Back again: it is preferred.
            try standby.stop()
            try waitUntil("the primary is streamed from", seconds: 120) { try isStreamed(primary) }
            try primary.psql("insert into t values (2)")
            try standby.start()
            try waitUntil("the standby is streamed from again", seconds: 120) {
                try isStreamed(standby)
            }

            // The primary dies for good.
            try standby.catchUp(with: primary)
            try waitUntil("the standby has a slot", seconds: 120) {
                try slotLag(standby, end) != nil
            }
            try protected.waitUntilHeld(primary.currentLSN())
            try primary.kill()
            #expect(try standby.promote() == 2)
            try standby.psql("insert into t values (3)")
            let last = try standby.currentLSN()
            try waitUntil("the new primary is streamed from", seconds: 120) {
                try isStreamed(standby)
            }
            try protected.waitUntilHeld(last)
            #expect(stream.terminate().succeeded)
            #expect(try protected.window().gaps.isEmpty)
            let copy = try protected.restore([])
            #expect(try copy.psql("select count(distinct x) from t") == "3")
            #expect(try protected.backup().timeline == 2)
        }
    }

    @Test func `a stream from the standby has the primary beat, whichever that is`() throws {
        let options = PostgresServer.Options(settings: ["autovacuum": "off"])
        try ProtectedServer.with(.newest(), options: options) { protected in
            let primary = protected.server
            try primary.psql("create table last_word ()")
            let standby = try primary.createStandby()
            try protected.succeed(["instance", "add", "main", "--source", standby.conninfo])
            try protected.succeed([
                "instance", "change-source", "main", "--wal-from", "standby,primary",
            ])
            let stream = try protected.startPgkeep([
                "wal", "stream", "main", "--heartbeat", "1", "--watch-every", "1",
            ])
            try waitUntil("the standby is streamed from", seconds: 120) { try isStreamed(standby) }
            func waitForBeats() throws {
                let first = try #require(try protected.window().intervals.last).latest
                try waitUntil("two heartbeats are in the vault", seconds: 120) {
                    let latest = try protected.window().intervals.last?.latest
                    return latest.map { $0 >= first.adding(seconds: 2) } ?? false
                }
            }
            try waitForBeats()
            try waitForBeats()

            // Nobody tells the heartbeat of a failover.
            try standby.catchUp(with: primary)
            try primary.kill()
            #expect(try standby.promote() == 2)
            try waitForBeats()
            try waitForBeats()
            #expect(stream.terminate().succeeded)
            #expect(try protected.window().gaps.isEmpty)
        }
    }

    @Test func `another server is refused, and a role that is not there is told`() throws {
        try ProtectedServer.with(.newest()) { protected in
            let foreign = try PostgresServer.create(
                protected.server.installation,
                in: protected.scratch
            )
            let change = ["instance", "change-source", "main"]
            try protected.refuses(
                change + ["--add", foreign.conninfo],
                .refused,
                ["is another one", "system identifier"]
            )
            try protected.refuses(
                change + ["--remove", "host=nowhere"],
                .notFound,
                ["has no address", "there are: service=main"]
            )
            try protected.succeed(change + ["--wal-from", "standby", "--base-from", "standby"])
            try protected.refuses(
                ["wal", "stream", "main", "--until-caught-up"],
                .unreachable,
                ["is a primary, and only standby is asked for", "change-source"]
            )
            try protected.refuses(
                ["backup", "create", "main"],
                .unreachable,
                ["is a primary", "change-source"]
            )
            try protected.succeed(change + ["--wal-from", "any", "--base-from", "any"])
            try protected.backup()
        }
    }
}

extension ProtectedServer {
    /// Waits until the vault holds WAL up to a position.
    func waitUntilHeld(_ position: LSN) throws {
        struct Held: Decodable { var durableLsn: LSN? }
        try waitUntil("the vault holds \(position)", seconds: 120) {
            let held = try ask(["wal", "status", Self.name], as: Held.self).durableLsn
            return held.map { $0 >= position } ?? false
        }
    }
}
