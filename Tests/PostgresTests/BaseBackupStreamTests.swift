import Domain
import Platform
import Postgres
import TestSupport
import Testing

@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct BaseBackupStreamTests {
    private func backup(
        _ server: PostgresServer,
        _ recorder: BackupRecorder,
        _ token: CancellationToken = CancellationToken()
    ) throws -> BaseBackupEnd {
        try BaseBackupStream.run(
            on: server.replication(),
            BaseBackupOptions(label: "a\nlabel"),
            handler: recorder,
            cancellation: token
        )
    }

    private func waitUntilGone(_ server: PostgresServer) throws {
        try waitUntil("the server's side has ended") { try server.walSenders() == 0 }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a backup with tablespaces arrives whole`(major: Int) throws {
        try PostgresServer.with(.required(major)) { server, _ in
            try server.createTablespace("one")
            try server.createTablespace("two")
            try server.psql(
                """
                create table a tablespace one as select generate_series(1, 20000) as i;
                create table b tablespace two as select generate_series(1, 20000) as i;
                """
            )
            let oids = try server.psql(
                "select string_agg(oid::text, ' ' order by oid) from pg_tablespace where oid > 9999"
            )
            let recorder = BackupRecorder()
            let end = try backup(server, recorder)
            let start = try #require(recorder.start)
            #expect(start.timeline == 1 && end.timeline == 1 && start.lsn < end.lsn)
            #expect(start.tablespaces.map { "\($0.oid)" }.sorted().joined(separator: " ") == oids)
            #expect(start.tablespaces.allSatisfy { $0.location.hasPrefix("/") })
            #expect(recorder.archives == start.tablespaces.map { $0.oid } + [nil])
            #expect(recorder.bytes.allSatisfy { $0 > 0 && $0 % 512 == 0 })
            let estimate = try #require(start.estimatedBytes)
            #expect(estimate > recorder.total / 2 && estimate < recorder.total * 2)
            if major >= 15 { #expect(recorder.lastProgress == recorder.total) }
            let manifest = String(decoding: recorder.manifest, as: UTF8.self)
            #expect(manifest.hasPrefix("{ \"PostgreSQL-Backup-Manifest-Version\":"))
            #expect(manifest.hasSuffix("\"}\n") && manifest.contains("\"CRC32C\""))
            #expect(manifest.contains("\"End-LSN\": \"\(end.lsn)\""))
            #expect(manifest.contains("\"Start-LSN\": \"\(start.lsn)\""))
            #expect(!end.hasChecksumFailures && end.checksumFailures.isEmpty)
            try waitUntilGone(server)
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `damaged pages are reported and the data kept`(major: Int) throws {
        try PostgresServer.with(.required(major)) { server, _ in
            try server.psql("create table t as select generate_series(1, 20000) as i")
            let path = try server.psql("select pg_relation_filepath('t')")
            try server.stop()
            let file = try File("\(server.dataDirectory)/\(path)", .update)
            for block in [2, 5] as [UInt64] {
                try [UInt8(0xff)].withUnsafeBytes { try file.write($0, at: block * 8192 + 4000) }
            }
            try server.start()
            let recorder = BackupRecorder()
            let end = try backup(server, recorder)
            #expect(end.hasChecksumFailures)
            let named = end.checksumFailures.filter { $0.block != nil }
            #expect(named.map(\.path) == [path, path] && named.map(\.block) == [2, 5])
            #expect(recorder.manifest.count > 1000)
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a cancelled backup ends on the server too`(major: Int) throws {
        try PostgresServer.with(.required(major)) { server, _ in
            let token = CancellationToken()
            let recorder = BackupRecorder()
            recorder.onData = { token.cancel("enough") }
            let stopped = failure { _ = try backup(server, recorder, token) }
            #expect(stopped?.code == .cancelled && stopped?.message == "enough")
            try waitUntilGone(server)
            let early = failure { _ = try backup(server, BackupRecorder(), token) }
            #expect(early?.code == .cancelled)

            let broken = BackupRecorder()
            broken.onData = { throw PgkeepError(.storeFull, "no space") }
            #expect(failure { _ = try backup(server, broken) }?.code == .storeFull)
            try waitUntilGone(server)
            #expect(try backup(server, BackupRecorder()).lsn > .zero)
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a server that goes away mid-backup is noticed`(major: Int) throws {
        try PostgresServer.with(.required(major)) { server, _ in
            let recorder = BackupRecorder()
            recorder.onData = { if server.isRunning { try server.kill() } }
            let lost = failure { _ = try backup(server, recorder) }
            #expect(lost?.code == .sourceBroken && lost?.hint.isEmpty == false)
        }
    }
}
