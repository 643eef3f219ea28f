import Domain
import Platform
import TestSupport
import Testing

/// Encryption as the operator is promised it: always on, nothing beside it, and tampering is seen.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct EncryptionRowsTests {
    private static let marker = "qzjvxkwpmbtfhgdycnrlsuaeioqzjvxkwpmb"

    @Test func `row 9: data is always encrypted, and one flipped bit is exit 6`() throws {
        let major = try #require(PostgresInstallation.testedMajors.last)
        try ProtectedServer.with(
            PostgresInstallation.required(major),
            prepare: { try fill($0, rows: 1000) }
        ) { protected in
            try protected.catchUp()
            #expect(try isFound(Self.marker, in: protected.server.dataDirectory))
            #expect(try !isFound(Self.marker, in: protected.vault))
            try protected.succeed(["vault", "check", "--level", "decode"])

            let refused = try protected.pgkeep(["vault", "init", "/tmp/never", "--no-encrypt"])
            #expect(refused.exitCode == 64)
            #expect(try FileSystem.info("/tmp/never") == nil)

            let pack = try #require(try largestFile(under: protected.vault))
            try flip(pack)
            let checked = try protected.pgkeep(["vault", "check", "--level", "decode"])
            #expect(checked.exitCode == 6)
            let copy = try protected.scratch.serverDirectory("copy")
            let restored = try protected.pgkeep([
                "restore", "start", ProtectedServer.name, "--to-dir", copy,
            ])
            #expect(restored.exitCode == 6)
        }
    }

    /// Everything a stopped process has written or holds open: the vault, drafts, and files that
    /// have no name any more.
    @Test func `row 10: what a paused backup has written so far shows nothing`() throws {
        let major = try #require(PostgresInstallation.testedMajors.last)
        let password = "pw" + Self.marker
        try ProtectedServer.with(
            PostgresInstallation.required(major),
            prepare: { server in
                try fill(server, rows: 200_000)
                try server.psql("alter role postgres password '\(password)'")
            }
        ) { protected in
            let home = try #require(FileSystem.parent(of: protected.vault))
            let before = try size(of: protected.vault)
            let backup = try protected.startPgkeep(
                ["backup", "create", ProtectedServer.name, "--full-stream", "--max-rate", "4096"],
                ["PGPASSWORD": password, "TMPDIR": home]
            )
            try protected.server.psql("update told set what = what || g")
            try waitUntil("the backup has written something", seconds: 120) {
                if let result = backup.result {
                    throw PgkeepError(.unexpected, "the backup ended: \(result.errors)")
                }
                return try size(of: protected.vault) > before + (1 << 20)
            }
            backup.signal(19)
            #expect(try !isFound(Self.marker, in: home))
            let open = "/proc/\(backup.pid)/fd"
            for name in try FileSystem.list(open) ?? [] {
                let target = FileSystem.resolved("\(open)/\(name)") ?? ""
                guard target.hasPrefix("/"), try FileSystem.info(target)?.kind == .file else {
                    continue
                }
                #expect(try !isFound(Self.marker, in: target), "\(target)")
            }
            let line = String(
                decoding: try FileSystem.readFile("/proc/\(backup.pid)/cmdline"),
                as: UTF8.self
            )
            #expect(line.contains("backup") && !line.contains(Self.marker))
            backup.signal(18)
            let ended = backup.interrupt()
            #expect(!(ended.output + ended.errors).contains(Self.marker))
        }
    }

    private func fill(_ server: PostgresServer, rows: Int) throws {
        try server.psql(
            """
            create table told as
            select g, '\(Self.marker)' || md5(g::text) as what from generate_series(1, \(rows)) g
            """
        )
    }

    private func isFound(_ text: String, in path: String) throws -> Bool {
        let result = try CommandRunner().run("/bin/grep", ["-raqF", "--", text, path])
        guard result.exitCode < 2 else {
            throw PgkeepError(.unexpected, "grep in \(path): \(result.errors)")
        }
        return result.succeeded
    }

    private func files(under path: String) throws -> [(path: String, size: UInt64)] {
        try (FileSystem.list(path) ?? []).flatMap { name -> [(path: String, size: UInt64)] in
            let inside = "\(path)/\(name)"
            guard let info = try FileSystem.info(inside) else { return [] }
            return info.kind == .directory ? try files(under: inside) : [(inside, info.size)]
        }
    }

    private func size(of path: String) throws -> UInt64 {
        try files(under: path).reduce(0) { $0 + $1.size }
    }

    /// The largest pack: most of the data.
    private func largestFile(under vault: String) throws -> String? {
        try files(under: vault).filter { $0.path.contains("/pack/") }
            .max { $0.size < $1.size }?.path
    }

    private func flip(_ path: String) throws {
        var bytes = try FileSystem.readFile(path)
        bytes[bytes.count / 2] ^= 0x10
        try FileSystem.writeAtomically(path, bytes)
        try ServerUser.own(path)
    }
}
