import Domain
import Glibc
import Platform
import TestSupport
import Testing

/// A small file system in memory, mounted where root may do so.
private enum Disk {
    static let canMount: Bool = {
        let mounted: Void? = try? ScratchDirectory.with { scratch in
            let path = try scratch.directory("probe")
            try mountTemporary(path, mebibytes: 1)
            umount2(path, 0)
        }
        return mounted != nil
    }()

    static func mountTemporary(_ path: String, mebibytes: Int) throws {
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(mebibytes)m,mode=0700") == 0 else {
            throw PgkeepError.system("mount", path)
        }
    }

    /// A directory of the server's user with this much room; unmounted when `scratch` ends.
    static func make(
        _ name: String,
        mebibytes: Int,
        in scratch: ScratchDirectory
    ) throws -> String {
        let path = try scratch.directory(name)
        try mountTemporary(path, mebibytes: mebibytes)
        scratch.atEnd { umount2(path, Int32(MNT_DETACH)) }
        try ServerUser.own(path)
        return path
    }
}

/// A disk that runs full under the vault or under a copy: told as such, nothing lost.
@Suite(
    .enabled(if: PostgresInstallation.serversWanted),
    .enabled(if: Disk.canMount, "cannot mount a tmpfs here"),
    .serialized
)
struct FullDiskBackupTests {
    /// A protected server whose vault has little room.
    private func withSmallVault(
        mebibytes: Int,
        _ body: (ProtectedServer, _ vault: [String: String]) throws -> Void
    ) throws {
        let prepare: (PostgresServer) throws -> Void = { try $0.psql(Committer.table) }
        try ProtectedServer.with(.newest(), prepare: prepare) { protected in
            let disk = try Disk.make("disk", mebibytes: mebibytes, in: protected.scratch)
            let vault = ["PGKEEP_VAULT": disk + "/vault"]
            let source = ["--source", protected.server.conninfo, "--slot", "small"]
            for arguments in [
                ["vault", "init", disk + "/vault"], ["instance", "add", "main"] + source,
            ] {
                let result = try protected.pgkeep(arguments, vault)
                #expect(result.succeeded, "\(result.errors)")
            }
            try body(protected, vault)
        }
    }

    /// Restores all that a vault has and counts the ledger's rows.
    private func restoredRows(
        _ protected: ProtectedServer,
        _ vault: [String: String]
    ) throws -> Int? {
        let directory = protected.scratch.unusedPath("operator/copy")
        let restore = ["restore", "start", "main", "--to-dir", directory]
        let result = try protected.pgkeep(restore, vault)
        #expect(result.succeeded, "\(result.errors)")
        try protected.server.check("pg_verifybackup", [directory])
        let copy = try PostgresServer(
            protected.server.installation,
            dataDirectory: directory,
            in: protected.scratch
        )
        try copy.start()
        try copy.waitForPromotion()
        let count = Int(try copy.psql("select count(*) from ledger"))
        try copy.stop()
        return count
    }

    @Test func `a backup that does not fit harms none before it`() throws {
        try withSmallVault(mebibytes: 40) { protected, vault in
            // Random bytes do not shrink: more than the disk has.
            try protected.server.psql(
                """
                insert into ledger values (1, 'kept');
                create table large as select gen_random_uuid() as a, gen_random_uuid() as b,
                    gen_random_uuid() as c from generate_series(1, 800000);
                checkpoint
                """
            )
            expectRefusal(
                try protected.pgkeep(["backup", "create", "main"], vault),
                .unreachable,
                ["space"],
                secrets: try protected.keySecrets()
            )
            let points = try protected.pgkeep(["backup", "list", "main", "--json"], vault)
            let list = try ProtectedServer.read(points, as: ProtectedServer.PointList.self)
            #expect(list.points.count == 1)
            #expect(try restoredRows(protected, vault) == 0)
            let check = try protected.pgkeep(["vault", "check", "--level", "decode"], vault)
            #expect(check.succeeded, "\(check.errors)")
            // Once there is less to store the next one succeeds: the failed one's packs are gone.
            try protected.server.psql("drop table large; checkpoint")
            let next = try protected.pgkeep(["backup", "create", "main"], vault)
            #expect(next.succeeded, "\(next.errors)")
            #expect(try restoredRows(protected, vault) == 1)
        }
    }

    @Test func `a stream pauses before the disk is full, and goes on without loss`() throws {
        try withSmallVault(mebibytes: 64) { protected, vault in
            let filler = protected.scratch.file("disk/filler")
            let stream = try protected.startPgkeep(
                ["wal", "stream", "main", "--watch-every", "1"],
                vault
            )
            try waitUntil("the stream is connected") { try protected.acknowledged() != nil }
            try protected.makeSynchronous()
            let committer = try Committer(protected.server, from: 1)
            try committer.wait(for: 50)
            // Less than an eighth of the disk is left.
            try fill(filler, leaving: 6 << 20)
            try stream.waitForOutput("stream paused", seconds: 120)
            let last = try #require(committer.rows.last)
            let state = try protected.walState(vault)
            #expect(!state.streaming && state.pause?.contains("stay free") == true)
            let plan = try protected.pgkeep(["restore", "plan", "main", "--xid", last.xid], vault)
            #expect(plan.succeeded, "\(plan.errors)")
            let status = try protected.pgkeep(["status", "--json"], vault)
            #expect(status.output.contains("the stream pauses"))
            // Nobody waits for a paused stream when the server shuts down.
            try protected.server.stop(.fast, seconds: 50)
            committer.stop()
            var rows = committer.finish()
            try protected.server.start()

            try FileSystem.removeFile(filler)
            try stream.waitForOutput("the vault has room again", seconds: 120)
            let more = try Committer(protected.server, from: 1_000_000)
            try more.wait(for: 50)
            more.stop()
            rows += more.finish()
            #expect(stream.interrupt().succeeded)
            let found = try #require(try restoredRows(protected, vault))
            #expect(found >= rows.count)
        }
    }

    @Test func `a stream on a disk that is full all at once goes on when it is freed`() throws {
        try withSmallVault(mebibytes: 40) { protected, vault in
            let filler = protected.scratch.file("disk/filler")
            let stream = try protected.startPgkeep(["wal", "stream", "main"], vault)
            try waitUntil("the stream is connected") { try protected.acknowledged() != nil }
            try protected.makeSynchronous()
            let committer = try Committer(protected.server, from: 1)
            try committer.wait(for: 50)
            try fill(filler, leaving: 0)
            try stream.waitForOutput("stream paused", seconds: 120)
            let last = try #require(committer.rows.last)
            let plan = try protected.pgkeep(["restore", "plan", "main", "--xid", last.xid], vault)
            #expect(plan.succeeded, "\(plan.errors)")
            try FileSystem.removeFile(filler)
            try committer.wait(for: 50)
            committer.stop()
            let rows = committer.finish()
            #expect(stream.interrupt().succeeded)
            #expect(try restoredRows(protected, vault) == rows.count)
        }
    }

    /// Takes the room of a file system but for so many bytes.
    private func fill(_ path: String, leaving bytes: UInt64) throws {
        let file = try File(path, .create(0o600))
        var offset: UInt64 = 0
        let block = [UInt8](repeating: 7, count: 64 << 10)
        while try bytes == 0 || FileSystem.space(path).free > bytes,
            (try? block.withUnsafeBytes { try file.write($0, at: offset) }) != nil
        {
            offset += UInt64(block.count)
        }
    }

    @Test func `a copy that does not fit leaves its place empty and the vault whole`() throws {
        let prepare: (PostgresServer) throws -> Void = { try $0.pgbenchInit() }
        try ProtectedServer.with(.newest(), prepare: prepare) { protected in
            let disk = try Disk.make("small", mebibytes: 24, in: protected.scratch)
            let before = try protected.holdings()
            for directory in [disk, disk + "/copy"] {
                try protected.refuses(
                    ["restore", "start", "main", "--to-dir", directory],
                    .unreachable,
                    ["no space is left for the copy", "bytes"]
                )
                #expect(try FileSystem.list(directory) ?? [] == [])
            }
            #expect(try protected.holdings() == before)
            let copy = try protected.restore([])
            #expect(try copy.psql("select count(*) from pgbench_accounts") == "100000")
        }
    }
}
