import Domain
import Engine
import Platform
import TestSupport
import Testing

/// A vault's disk whose syncs hang: the server does not suffer from it.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct SlowDiskTests {
    /// Syncs wait while it is closed.
    private final class Gate: Sendable {
        private let state = Condition((isClosed: false, waiting: 0))

        func pass() {
            state.change { $0.waiting += 1 }
            _ = state.wait { $0.isClosed ? nil : true }
            state.change { $0.waiting -= 1 }
        }
        func set(closed: Bool) { state.change { $0.isClosed = closed } }
        var isHolding: Bool { state.read { $0.isClosed && $0.waiting > 0 } }
    }

    @Test func `a hung sync costs no connection, and no shutdown waits for it`() throws {
        let settings = ["wal_sender_timeout": "2s"]
        try WatchedInstance.with(.newest(), settings: settings) { watched in
            let server = watched.server
            try server.psql("create table t as select repeat('x', 900) as x, 1 as i")
            let gate = Gate()
            defer { gate.set(closed: false) }
            watched.store.setFaults { call in
                if call.operation == .sync { gate.pass() }
                return nil
            }
            let token = CancellationToken()
            let (vault, record) = (watched.vault, try watched.record)
            let thread = Thread("stream") {
                let context = JobContext(vault: vault, token: token)
                let options = WALStreamOptions()
                return try WALStreamJob(
                    context: context,
                    instance: record,
                    options: options
                ).run()
            }
            defer {
                token.cancel()
                gate.set(closed: false)
                _ = try? thread.join()
            }
            let table = "pg_stat_replication where state <> 'startup'"
            func sender(_ what: String) throws -> String {
                try server.psql("select \(what) from \(table)")
            }
            try waitUntil("the stream runs", seconds: 120) { try !sender("pid").isEmpty }
            let pid = try sender("pid")

            gate.set(closed: true)
            try server.psql("insert into t select x, 2 from t")
            try waitUntil("a sync hangs") { gate.isHolding }
            let held = try sender("flush_lsn")
            // More than all buffers on the way hold; then several times the server's patience.
            try server.psql(
                "insert into t select repeat('y', 900), i from generate_series(1, 30000) as i"
            )
            try server.psql("create table mark as select clock_timestamp() as at")
            try waitUntil("time passes") {
                try server.psql("select clock_timestamp() - at > '7 s' from mark") == "t"
            }
            #expect(try sender("pid") == pid)
            #expect(try sender("flush_lsn") == held, "nothing may count as flushed meanwhile")

            gate.set(closed: false)
            let target = try server.currentLSN()
            try waitUntil("all is durable", seconds: 120) {
                try LSN(sender("flush_lsn")).map { $0 >= target } ?? false
            }
            #expect(try sender("pid") == pid)

            // A shutdown while a sync hangs.
            gate.set(closed: true)
            try server.psql("insert into t values ('z', 3)")
            try waitUntil("a sync hangs again") { gate.isHolding }
            try server.stop(.fast, seconds: 50)
            try server.start()
            gate.set(closed: false)
            let end = try server.currentLSN()
            try waitUntil("the stream has all", seconds: 120) {
                try LSN(sender("flush_lsn")).map { $0 >= end } ?? false
            }
        }
    }
}
