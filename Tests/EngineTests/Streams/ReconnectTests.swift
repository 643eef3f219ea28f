import Domain
import Platform
import TestSupport
import Testing

/// A network that goes silent: nobody says goodbye, and the stream finds out by itself.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct ReconnectTests {
    @Test func `a connection that has gone silent is given up and made again`() throws {
        let options = PostgresServer.Options(settings: ["wal_sender_timeout": "2s"])
        let prepare: (PostgresServer) throws -> Void = { try $0.psql("create table t (x int)") }
        try ProtectedServer.with(.newest(), options: options, prepare: prepare) { protected in
            let server = protected.server
            let proxy = try StallingProxy(to: server.port, in: protected.scratch)
            // Nobody listens at the first of the two hosts: libpq goes on to the second.
            try protected.succeed([
                "instance", "change-source", "main", "--source",
                "host=127.0.0.1,127.0.0.1 port=1,\(proxy.port) user=postgres"
                    + " dbname=postgres connect_timeout=3",
            ])
            let stream = try protected.startStream()
            try server.psql("insert into t values (1)")
            try protected.waitUntilStreamed()
            let state = try protected.walState()
            #expect(state.source?.contains("port=\(proxy.port)") == true)

            proxy.goSilent()
            try server.psql("insert into t values (2)")
            try stream.waitForOutput("stream interrupted", seconds: 120)
            // The server gave up too, by its own timeout; nothing of ours holds the slot.
            try waitUntil("the server has noticed", seconds: 120) {
                try server.psql("select active from pg_replication_slots") == "f"
            }
            proxy.recover()
            try protected.waitUntilStreamed()
            #expect(stream.isRunning)

            // An idle server is no silent one: longer than the limit for silence, one connection.
            let pid = try server.psql("select pid from pg_stat_replication")
            try waitUntil("the connection is older than any silence allowed") {
                try server.psql(
                    "select now() - backend_start > '11 s' from pg_stat_replication"
                ) == "t"
            }
            #expect(try server.psql("select pid from pg_stat_replication") == pid)
            #expect(stream.terminate().succeeded)
            #expect(try protected.window().gaps.isEmpty)
            #expect(try protected.plan([]).reachable)
        }
    }

    /// As a service manager does: a stop that comes early is no failure of the service.
    @Test func `a stream told to stop before the server has answered ends well`() throws {
        try ProtectedServer.with(.newest()) { protected in
            let proxy = try StallingProxy(to: protected.server.port, in: protected.scratch)
            try protected.succeed([
                "instance", "change-source", "main", "--source",
                "host=127.0.0.1 port=\(proxy.port) user=postgres dbname=postgres",
            ])
            proxy.goSilent()
            let stream = try protected.startPgkeep(["wal", "stream", "main", "--json"])
            struct Jobs: Decodable {
                struct Job: Decodable { var kind: String }
                var jobs: [Job]
            }
            try waitUntil("it has begun", seconds: 120) {
                try !protected.ask(
                    ["job", "list", "--status", "running", "--kind", "stream"],
                    as: Jobs.self
                ).jobs.isEmpty
            }
            let result = stream.terminate()
            #expect(result.succeeded, "\(result.errors)")
            #expect(result.output.contains(#""skip_reason" : "stopped""#), "\(result.output)")
        }
    }
}
