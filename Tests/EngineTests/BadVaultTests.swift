import Domain
import Platform
import TestSupport
import Testing

/// A vault that cannot be opened, or goes away at work.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct BadVaultTests {
    @Test func `a wrong key opens nothing and touches nothing`() throws {
        try ProtectedServer.with(.newest()) { protected in
            let other = protected.scratch.file("operator/other")
            try protected.succeed(["vault", "init", other, "--key-file", other + ".key"])
            let passphrase = "open sesame, will you"
            let keys: [(variables: [String: String], words: [String])] = [
                (["PGKEEP_KEY_FILE": other + ".key"], ["key", "--key-file"]),
                (["PGKEEP_KEY_FILE": "", "PGKEEP_PASSPHRASE": passphrase], ["passphrase"]),
            ]
            let target = protected.scratch.file("operator/never")
            let before = try ProtectedServer.contents(protected.vault)
            for key in keys {
                for verb in [
                    ["instance", "list"], ["backup", "create", "main"], ["wal", "stream", "main"],
                    ["window", "show", "main"], ["vault", "check"],
                    ["restore", "start", "main", "--to-dir", target],
                ] {
                    try protected.refuses(
                        verb,
                        .integrity,
                        key.words,
                        key.variables,
                        secrets: [passphrase]
                    )
                }
            }
            #expect(try FileSystem.info(target) == nil)
            #expect(try ProtectedServer.contents(protected.vault) == before)
        }
    }

    @Test func `a vault of a newer format is left alone`() throws {
        try ProtectedServer.with(.newest()) { protected in
            let path = protected.vault + "/vault.json"
            let text = String(decoding: try FileSystem.readFile(path), as: UTF8.self)
            let newer = text.replacing("\"version\":1", with: "\"version\":2")
            #expect(newer != text)
            try FileSystem.writeAtomically(path, Array(newer.utf8))
            try ServerUser.own(path)
            let before = try ProtectedServer.contents(protected.vault)
            for verb in [
                ["instance", "list"], ["backup", "create", "main"], ["wal", "stream", "main"],
                ["vault", "check"], ["restore", "plan", "main"],
            ] {
                try protected.refuses(verb, .integrity, ["newer pgkeep", "upgrade pgkeep"])
            }
            #expect(try ProtectedServer.contents(protected.vault) == before)
        }
    }

    @Test func `a vault that is not mounted is not made anew`() throws {
        try ProtectedServer.with(.newest()) { protected in
            let away = protected.vault + ".away"
            try FileSystem.rename(protected.vault, to: away)
            let verbs = [["instance", "list"], ["backup", "create", "main"], ["vault", "check"]]
            for verb in verbs { try protected.refuses(verb, .notFound, ["no vault", "mount"]) }
            #expect(try FileSystem.info(protected.vault) == nil)
            try FileSystem.makeDirectory(protected.vault)
            try ServerUser.own(protected.vault)
            for verb in verbs { try protected.refuses(verb, .notFound, ["no vault", "mount"]) }
            #expect(try FileSystem.list(protected.vault) == [])
        }
    }

    @Test(arguments: [false, true])
    func `a vault that vanishes from a stream takes no acknowledged commit along`(
        leavesDirectory: Bool
    ) throws {
        let prepare: (PostgresServer) throws -> Void = { try $0.psql(Committer.table) }
        try ProtectedServer.with(.newest(), prepare: prepare) { protected in
            try protected.makeSynchronous()
            let stream = try protected.startStream()
            let committer = try Committer(protected.server, from: 1)
            try committer.wait(for: 20)
            let away = protected.vault + ".away"
            try FileSystem.rename(protected.vault, to: away)
            if leavesDirectory {
                try FileSystem.makeDirectory(protected.vault)
                try ServerUser.own(protected.vault)
            }
            // Appending to what is open goes on; what needs a new name fails, and ends the stream.
            try protected.switchWhileCommitting()
            expectRefusal(
                stream.wait(),
                .unreachable,
                ["vault directory", "mount"],
                secrets: try protected.keySecrets()
            )
            if leavesDirectory {
                #expect(try FileSystem.list(protected.vault) == [])
                try FileSystem.removeTree(protected.vault)
            }
            let acknowledged = committer.rows
            try FileSystem.rename(away, to: protected.vault)
            let plan = try protected.plan(["--xid", try #require(acknowledged.last).xid])
            #expect(plan.reachable, "\(plan.reason)")

            // The waiting commit goes through as soon as somebody streams again.
            let next = try protected.startStream()
            try committer.wait(for: 5)
            committer.stop()
            let rows = committer.finish()
            #expect(next.interrupt().succeeded)
            let copy = try protected.restore([])
            #expect(try copy.psql("select count(*) from ledger") == "\(rows.count)")
        }
    }

    @Test func `a vault that vanishes from a backup leaves no half point`() throws {
        let prepare: (PostgresServer) throws -> Void = { try $0.pgbenchInit(scale: 2) }
        try ProtectedServer.with(.newest(), prepare: prepare) { protected in
            let backup = try protected.startSlowBackup()
            let away = protected.vault + ".away"
            try FileSystem.rename(protected.vault, to: away)
            expectRefusal(backup.wait(), .unreachable, ["vault directory", "mount"])
            #expect(try FileSystem.info(protected.vault) == nil)
            try FileSystem.rename(away, to: protected.vault)
            try protected.waitUntilForgotten()
            #expect(try protected.points().map(\.id) == [protected.firstPoint.id])
            let point = try protected.backup()
            let copy = try protected.restore(["--point", point.id])
            #expect(try copy.psql("select count(*) from pgbench_accounts") == "200000")
        }
    }
}

extension ProtectedServer {
    /// Fills the current WAL segment from a session that does not wait for anybody.
    func switchWhileCommitting() throws {
        try server.psql("set synchronous_commit = local; select pg_switch_wal()")
    }
}
