import Domain
import Platform
import Postgres
import TestSupport
import Testing

/// Telling a server of the parent backup: the conversation, and each way in which it is refused.
struct ManifestUploadProtocolTests {
    @Test func `command, copy, completion`() throws {
        var conversation = ManifestUploadProtocol()
        #expect(conversation.next == .answer)
        try conversation.receive(.copyIn)
        #expect(conversation.next == .send)
        conversation.sent()
        #expect(conversation.next == .answer)
        try conversation.receive(.complete("UPLOAD_MANIFEST"))
        #expect(conversation.next == .answer)
        try conversation.receive(.finished)
        #expect(conversation.next == .nothing)
    }

    @Test func `answers out of turn are refused`() {
        let answers: [ServerAnswer] = [
            .rows([]), .copyOut, .copyIn, .copyBoth, .complete("X"), .finished,
        ]
        for (given, expected) in [0, 1, 2, 3].map({ (Self.conversation($0), [2, nil, 4, 5][$0]) }) {
            for (index, answer) in answers.enumerated() where index != expected {
                var conversation = given
                let error = failure { try conversation.receive(answer) }
                #expect(error?.code == .sourceBroken, "\(answer.name)")
            }
        }
    }

    /// A conversation after `steps` steps.
    private static func conversation(_ steps: Int) -> ManifestUploadProtocol {
        var conversation = ManifestUploadProtocol()
        if steps > 0 { try? conversation.receive(.copyIn) }
        if steps > 1 { conversation.sent() }
        if steps > 2 { try? conversation.receive(.complete("UPLOAD_MANIFEST")) }
        return conversation
    }

    @Test func `a refusal is told from trouble`() {
        let said: [(String, String, IncrementalRefusal.Reason?)] = [
            (
                "55000", "incremental backups cannot be taken unless WAL summarization is enabled",
                .summarizingOff
            ),
            (
                "55000",
                "WAL summaries are required on timeline 1 from 0/2 to 0/9, but no summaries"
                    + " for that timeline and LSN range exist", .summariesMissing
            ),
            ("55000", "WAL summarization is not progressing", .summarizerStuck),
            (
                "55000", "timeline 3 found in manifest, but not in this server's history",
                .otherHistory
            ),
            (
                "55000",
                "manifest requires WAL from non-final timeline 1 ending at 0/9, but this"
                    + " server switched timelines at 0/5", .otherHistory
            ),
            (
                "55000",
                "manifest requires WAL from final timeline 1 ending at 0/9, but this backup"
                    + " starts at 0/5", .parentAhead
            ),
            (
                "55000", "must UPLOAD_MANIFEST before performing an incremental BASE_BACKUP",
                .manifest
            ),
            ("XX000", "could not parse backup manifest: unexpected end", .manifest),
            (
                "XX000",
                "system identifier in backup manifest is 1, but database system identifier"
                    + " is 2", .manifest
            ),
            ("55000", "inkrementelle Backups können nicht erstellt werden", .other),
            ("58P01", "could not open file", .other),
            ("", "server closed the connection unexpectedly", nil),
            ("57P01", "terminating connection due to administrator command", nil),
            ("57014", "canceling statement due to user request", nil),
            ("53300", "too many clients", nil),
            ("42501", "permission denied", nil),
        ]
        for (state, text, reason) in said {
            let error = PostgresError(sqlstate: state, message: text)
            #expect(IncrementalRefusal(error)?.reason == reason, "\(text)")
            var upload = ManifestUploadProtocol()
            var backup = BaseBackupProtocol(
                version: ServerVersion(number: 180_004),
                isIncremental: true
            )
            for failed in [
                failure { try upload.receive(.failed(error)) },
                failure { _ = try backup.receive(.failed(error)) },
            ] {
                #expect((failed?.code == .sourceIncremental) == (reason != nil), "\(text)")
                #expect(failed?.postgres == error)
            }
        }
        #expect(Set(said.compactMap(\.2)) == Set(IncrementalRefusal.Reason.allCases))
    }

    @Test func `in full, and once it has begun, nothing is a refusal`() {
        let error = PostgresError(sqlstate: "55000", message: "WAL summaries are required")
        var full = BaseBackupProtocol(version: ServerVersion(number: 180_004))
        #expect(failure { _ = try full.receive(.failed(error)) }?.code == .sourceSetting)
        var begun = BaseBackupProtocol(
            version: ServerVersion(number: 180_004),
            isIncremental: true
        )
        #expect(
            failure {
                _ = try begun.receive(.rows([["0/2000028", "1"]]))
                _ = try begun.receive(.rows([[nil, nil, nil]]))
                _ = try begun.receive(.failed(error))
            }?.code == .sourceSetting
        )
    }
}

/// The same with a real server.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct ManifestUploadServerTests {
    private func serve(_ body: (PostgresServer, ScratchDirectory) throws -> Void) throws {
        try PostgresServer.with(
            PostgresInstallation.required(18),
            options: PostgresServer.Options(settings: ["summarize_wal": "on"]),
            body
        )
    }

    /// The manifest that a backup taken now comes with.
    private func manifest(_ server: PostgresServer) throws -> [UInt8] {
        let recorder = BackupRecorder()
        _ = try BaseBackupStream.run(
            on: server.replication(),
            BaseBackupOptions(label: "full"),
            handler: recorder,
            cancellation: CancellationToken()
        )
        return recorder.manifest
    }

    /// Uploads a manifest in pieces and takes what the server sends against it.
    private func incremental(
        _ server: PostgresServer,
        against manifest: [UInt8]?,
        piece: Int = 64 << 10
    ) throws -> BackupRecorder {
        let connection = try server.replication()
        if let manifest {
            try ManifestUpload.run(on: connection, cancellation: CancellationToken()) { send in
                for start in stride(from: 0, to: manifest.count, by: piece) {
                    try manifest[start..<min(start + piece, manifest.count)].withUnsafeBytes(send)
                }
            }
        }
        let recorder = BackupRecorder()
        var options = BaseBackupOptions(label: "incremental")
        options.isIncremental = true
        _ = try BaseBackupStream.run(
            on: connection,
            options,
            handler: recorder,
            cancellation: CancellationToken()
        )
        return recorder
    }

    private func refusal(
        _ server: PostgresServer,
        _ manifest: [UInt8]?
    ) -> (IncrementalRefusal.Reason?, PgkeepError?) {
        let error = failure { _ = try incremental(server, against: manifest) }
        return (error?.postgres.flatMap { IncrementalRefusal($0)?.reason }, error)
    }

    @Test func `a server sends changes against a manifest uploaded in any pieces`() throws {
        try serve { server, _ in
            try server.psql("create table t as select generate_series(1, 20000) as i; checkpoint")
            let manifest = try manifest(server)
            try server.psql("update t set i = 0 where i = 1")
            for piece in [777, 1 << 20] {
                let recorder = try incremental(server, against: manifest, piece: piece)
                let text = String(decoding: recorder.manifest, as: UTF8.self)
                #expect(text.contains("/INCREMENTAL."))
                #expect(recorder.total < 6 << 20)
            }
        }
    }

    @Test func `each refusal is recognised by the server's own words`() throws {
        try serve { server, scratch in
            let manifest = try manifest(server)
            var (reason, error) = refusal(server, nil)
            #expect(reason == .manifest && error?.code == .sourceIncremental)
            (reason, error) = refusal(server, Array(manifest.dropLast(80)))
            #expect(reason == .manifest && error?.code == .sourceIncremental)
            var damaged = manifest
            damaged[manifest.count / 2] ^= 1
            (reason, error) = refusal(server, damaged)
            #expect(reason == .manifest && error?.code == .sourceIncremental)

            let other = try PostgresServer.create(
                .required(18),
                in: scratch,
                options: PostgresServer.Options(settings: ["summarize_wal": "on"])
            )
            (reason, error) = refusal(other, manifest)
            #expect(reason == .manifest && error?.code == .sourceIncremental)
            try other.stop()

            try server.psql("alter system set summarize_wal = off; select pg_reload_conf()")
            try waitUntil("summaries are off") { try server.psql("show summarize_wal") == "off" }
            (reason, error) = refusal(server, manifest)
            #expect(reason == .summarizingOff && error?.code == .sourceIncremental)

            // Written while nobody summarised.
            try server.psql("create table t as select generate_series(1, 20000) as i")
            try server.psql("checkpoint; select pg_switch_wal(); checkpoint")
            try server.psql("alter system set summarize_wal = on; select pg_reload_conf()")
            try waitUntil("summaries are on") { try server.psql("show summarize_wal") == "on" }
            try server.psql("create table u as select generate_series(1, 20000) as i; checkpoint")
            (reason, error) = refusal(server, manifest)
            #expect(reason == .summariesMissing && error?.code == .sourceIncremental, "\(error)")
        }
    }

    @Test func `an upload ends when it is cancelled or its source fails`() throws {
        try serve { server, _ in
            let token = CancellationToken()
            let stopped = failure {
                try ManifestUpload.run(on: server.replication(), cancellation: token) { send in
                    try [UInt8(1)].withUnsafeBytes(send)
                    token.cancel("enough")
                    try [UInt8(1)].withUnsafeBytes(send)
                }
            }
            #expect(stopped?.code == .cancelled)
            let broken = failure {
                try ManifestUpload.run(
                    on: server.replication(),
                    cancellation: CancellationToken()
                ) { _ in throw PgkeepError(.integrity, "the catalog is damaged") }
            }
            #expect(broken?.code == .integrity)
            try waitUntil("the server's side has ended") { try server.walSenders() == 0 }
        }
    }
}
