import Domain
import Platform
import TestSupport
import Testing

/// What is in the database stays in the database: the vault, what pgkeep writes beside it, its
/// output and its command lines tell neither data nor passwords nor keys.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct SecrecyTests {
    /// Texts that must not show, each of which can be found where it belongs.
    private struct Secrets {
        var marker: String
        var password: String
        var random: SeededRandom

        init(_ stream: String) {
            random = SeededRandom(stream: stream)
            marker = Self.word(&random)
            password = Self.word(&random)
        }

        /// Forty letters that no compressor can shorten.
        static func word(_ random: inout SeededRandom) -> String {
            String(
                (0..<40).compactMap { _ in
                    "abcdefghijklmnopqrstuvwxyz".randomElement(using: &random)
                }
            )
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `neither data nor passwords show outside the database`(major: Int) throws {
        let secrets = Secrets("secrets \(major)")
        try ProtectedServer.with(
            PostgresInstallation.required(major),
            prepare: { try fill($0, secrets) }
        ) { protected in
            let server = protected.server
            let home = try #require(FileSystem.parent(of: protected.vault))
            try requirePassword(server, secrets.password, home)
            var said: [String] = []
            var lines: Set<String> = []

            let stream = try protected.startPgkeep(["wal", "stream", ProtectedServer.name, "-v"])
            try waitUntil("the stream is connected") { try protected.acknowledged() != nil }
            try server.psql(
                "insert into told select g, '\(secrets.marker)' from generate_series(1, 99) g"
            )
            try protected.waitUntilStreamed()
            let backup = try protected.startPgkeep(["backup", "create", ProtectedServer.name, "-v"])
            try watch(backup, &lines)
            try server.psql("update told set what = what || '!'")
            try protected.waitUntilStreamed()
            let copy = try protected.scratch.serverDirectory("copy")
            let restore = try protected.startPgkeep([
                "restore", "start", ProtectedServer.name, "--to-dir", copy, "--run", "-v",
                "--pg-bin", server.installation.binaries,
            ])
            try watch(restore, &lines)
            said += [stream.terminate(), backup.wait(), restore.wait()].map {
                #expect($0.succeeded, "\($0.errors)")
                return $0.output + $0.errors
            }
            for arguments in [
                ["vault", "check", "--level", "decode", "-v"], ["vault", "usage", "--json"],
                ["instance", "show", ProtectedServer.name, "--json"],
                ["backup", "list", ProtectedServer.name, "--json"],
                ["window", "show", ProtectedServer.name, "--json"],
                ["wal", "status", ProtectedServer.name, "--json"],
            ] {
                let result = try protected.succeed(arguments)
                said.append(result.output + result.errors)
            }
            try server.check("pg_ctl", ["stop", "-D", copy, "-m", "fast", "-w"])
            said.append(try text(of: copy + "/pgkeep-recovery.log"))

            // Each is found where it is meant to be, so not finding it elsewhere says something.
            #expect(try isFound(secrets.marker, in: server.dataDirectory))
            #expect(try isFound(secrets.marker, in: copy))
            #expect(try isFound(secrets.password, in: home + "/.pgpass"))
            try FileSystem.removeFile(home + "/.pgpass")
            let key = try text(of: protected.keyFile)
            try FileSystem.removeFile(protected.keyFile)
            for secret in [secrets.marker, secrets.password]
                + key.split(separator: "\n").map(String.init)
            {
                #expect(try !isFound(secret, in: home))
                #expect(!said.contains { $0.contains(secret) })
                #expect(!lines.contains { $0.contains(secret) })
            }
            #expect(lines.contains { $0.contains("wal\0fetch") || $0.contains("backup\0create") })
        }
    }

    @Test func `a passphrase shows nowhere`() throws {
        var random = SeededRandom(stream: "passphrase")
        let passphrase = Secrets.word(&random)
        try ScratchDirectory.with { scratch in
            let home = try scratch.serverDirectory("operator")
            let runner = CommandRunner.asServer.with([
                "HOME": home, "PGKEEP_PASSPHRASE": passphrase,
            ])
            let vault = home + "/vault"
            let commands = [
                ["vault", "init", vault, "-v"], ["vault", "check", "--vault", vault, "-v"],
                ["vault", "usage", "--vault", vault, "--json"],
            ]
            for arguments in commands {
                let result = try runner.pgkeep(arguments)
                #expect(result.succeeded, "\(result.errors)")
                #expect(!(result.output + result.errors).contains(passphrase))
            }
            let wrong = try runner.with(["PGKEEP_PASSPHRASE": passphrase + "x"])
                .pgkeep(["vault", "usage", "--vault", vault])
            #expect(!wrong.succeeded && !wrong.errors.contains(passphrase))
            #expect(try !isFound(passphrase, in: home))
        }
    }

    // MARK: What to look for, and where

    /// Data in rows, in names and in a file beside the data.
    private func fill(_ server: PostgresServer, _ secrets: Secrets) throws {
        try server.psql(
            """
            create table told (id int, what text);
            insert into told select g, '\(secrets.marker)' || g from generate_series(1, 1000) g;
            create table "\(secrets.marker)" as select 1 a;
            comment on table told is '\(secrets.marker)';
            alter role postgres password '\(secrets.password)';
            """
        )
        let note = server.dataDirectory + "/note"
        try FileSystem.writeAtomically(note, Array(secrets.marker.utf8))
        try ServerUser.own(note)
    }

    /// From now on replication wants the password, which libpq finds in the operator's file.
    private func requirePassword(
        _ server: PostgresServer,
        _ password: String,
        _ home: String
    ) throws {
        try FileSystem.writeAtomically(home + "/.pgpass", Array("*:*:*:*:\(password)\n".utf8))
        try ServerUser.own(home + "/.pgpass")
        try server.setHostAccess([
            "local replication all scram-sha-256", "local all all trust",
        ])
        try server.reload()
    }

    /// Looks at the command lines of all processes until `command` has ended.
    private func watch(_ command: RunningCommand, _ lines: inout Set<String>) throws {
        try waitUntil("\(command.title) ends", seconds: 300) {
            for process in try FileSystem.list("/proc") ?? [] where Int(process) != nil {
                guard let line = try? FileSystem.readFile("/proc/\(process)/cmdline") else {
                    continue
                }
                lines.insert(String(decoding: line, as: UTF8.self))
            }
            return !command.isRunning
        }
    }

    private func text(of path: String) throws -> String {
        String(decoding: try FileSystem.readFile(path), as: UTF8.self)
    }

    /// True when the bytes of `text` are anywhere in a file or in any file of a directory.
    private func isFound(_ text: String, in path: String) throws -> Bool {
        let result = try CommandRunner().run("/bin/grep", ["-raqF", "--", text, path])
        guard result.exitCode < 2 else {
            throw PgkeepError(.unexpected, "grep in \(path): \(result.errors)")
        }
        return result.succeeded
    }
}
