import Domain
import Platform
import Postgres
import TestSupport
import Testing

/// How often a stream has its handler flush: seldom for a busy server's sake, at once where commits
/// wait.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct FlushPaceTests {
    @Test(arguments: PostgresInstallation.testedMajors)
    func `a flush waits its turn unless commits wait for it`(major: Int) throws {
        try PostgresServer.with(.required(major)) { server, _ in
            let stream = try RunningStream(
                server.conninfo,
                start: try server.segmentStart(),
                adjust: { $0.flushPause = 3600 }
            )
            try server.psql("create table t (i int)")
            try waitUntil("the first flush, which is due at once") {
                stream.control.flushed > .zero
            }
            try server.psql("insert into t select generate_series(1, 100000)")
            let end = try server.currentLSN()
            try waitUntil("all is received") { stream.control.received >= end }
            #expect(stream.control.flushed < end)
            stream.control.noteCommits(wait: true)
            try waitUntil("all is flushed") { stream.control.flushed >= end }
            // Asked to stop, it does not leave before what it has is flushed.
            stream.control.noteCommits(wait: false)
            try server.psql("insert into t select generate_series(1, 100000)")
            stream.control.stop(at: try server.currentLSN())
            let received = try stream.end().received
            try waitUntil("the rest is flushed") { stream.control.flushed >= received }
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a stream that begins asks whether commits wait`(major: Int) throws {
        try PostgresServer.with(.required(major)) { server, _ in
            try server.addSettings(["synchronous_standby_names": "keeper"])
            try server.reload()
            let stream = try RunningStream(
                server.conninfo,
                start: try server.segmentStart(),
                name: "keeper",
                adjust: { $0.flushPause = 3600 }
            )
            try server.psql("create table t (i int)")
            for _ in 0..<20 { try server.psql("insert into t values (1)") }
            stream.control.stop()
            #expect(try stream.end().reason == .stopped)
        }
    }
}
