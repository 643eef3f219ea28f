import Domain
import Platform
import TestSupport
import Testing

/// One stream and one backup of an instance at a time; the second is told who is at it.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct BusyTests {
    @Test func `a second stream is turned away and harms nothing`() throws {
        try ProtectedServer.with(.newest()) { protected in
            let first = try protected.startStream()
            for arguments in [[], ["--application-name", "other"]] {
                try protected.refuses(
                    ["wal", "stream", "main"] + arguments,
                    .busy,
                    ["held by process \(first.pid)", "wait for it or stop it"]
                )
            }
            try protected.server.psql("create table t ()")
            // Who only wants it caught up has the first one do it, and has nothing to say.
            let position = try protected.server.currentLSN()
            let caught = try protected.pgkeep(["wal", "stream", "main", "--until-caught-up"])
            #expect(caught.succeeded && caught.errors.isEmpty && caught.output.isEmpty)
            #expect(try #require(try protected.plan([]).effectiveLsn) >= position)
            try protected.waitUntilStreamed()
            // A killed one is followed at once on its own host.
            first.kill()
            let second = try protected.startStream()
            #expect(second.interrupt().succeeded)
            try protected.catchUp()
        }
    }

    @Test func `a second backup is turned away and the first one finishes`() throws {
        let prepare: (PostgresServer) throws -> Void = { try $0.pgbenchInit(scale: 2) }
        try ProtectedServer.with(.newest(), prepare: prepare) { protected in
            let first = try protected.startSlowBackup(16_384)
            try protected.refuses(
                ["backup", "create", "main"],
                .busy,
                ["held by process \(first.pid)", "wait for it or stop it"]
            )
            // Streaming is another role: it may begin meanwhile.
            let stream = try protected.startStream()
            #expect(first.wait().succeeded, "\(first.errorsSoFar)")
            #expect(try protected.points().count == 2)
            try protected.backup()
            #expect(stream.interrupt().succeeded)
            #expect(try protected.points().count == 3)
            try protected.succeed(["vault", "check", "--level", "decode"])
        }
    }

    @Test func `of many that begin at once one wins`() throws {
        try ProtectedServer.with(.newest()) { protected in
            let backups = try (0..<4).map { _ in
                try protected.startPgkeep(["backup", "create", "main", "--max-rate", "8192"])
            }
            let results = backups.map { $0.wait() }
            #expect(results.count(where: \.succeeded) >= 1)
            for result in results where !result.succeeded {
                expectRefusal(result, .busy, ["a backup on this instance", "wait"])
            }
            #expect(try protected.points().count == 1 + results.count(where: \.succeeded))
            try protected.succeed(["vault", "check", "--level", "decode"])
        }
    }
}
