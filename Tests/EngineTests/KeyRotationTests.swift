import Domain
import Platform
import TestSupport
import Testing

/// Keys change while everything runs.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct KeyRotationTests {
    private struct Rotated: Decodable {
        var epoch: Int
        var kept: [Int]
        var dropped: [Int]
    }

    @Test func `every moment around a rotation is restorable, and the next backup stores little`()
        throws
    {
        try ProtectedServer.with(
            PostgresInstallation.required(18),
            prepare: { try $0.psql("create table ledger as select generate_series(1, 200000) id") }
        ) { protected in
            let server = protected.server
            let stream = try protected.startStream()
            try server.psql("insert into ledger select generate_series(1, 10)")
            let before = try protected.backup()
            let early = try protected.restoreOnly([])
            let kept = protected.keyFile + ".kept"
            try protected.succeed(["vault", "key", "add", "--new-key-file", kept])
            let done = try protected.ask(
                ["vault", "key", "rotate", "--keep-key-file", kept],
                as: Rotated.self
            )
            #expect(done.epoch == 2 && done.kept == [0, 1] && done.dropped == [])
            // The fingerprint key is the same, so the pages are known.
            let after = try protected.backup()
            #expect(after.parent == before.id)
            #expect(after.pagesNew * 20 < after.pagesTotal, "\(after)")
            #expect(after.storedBytes * 10 < protected.firstPoint.storedBytes, "\(after)")
            // The stream that began before goes on, and so does one that begins now.
            try server.psql("insert into ledger select generate_series(1, 20)")
            try protected.waitUntilStreamed()
            #expect(stream.result == nil)
            #expect(stream.terminate().succeeded)
            let next = try protected.startStream()
            try server.psql("insert into ledger select generate_series(1, 30)")
            try server.psql("select pg_switch_wal()")
            try server.psql("insert into ledger select generate_series(1, 40)")
            try protected.waitUntilStreamed()
            // From the first point on, WAL of both epochs is replayed; its key file holds both.
            for point in [nil, before.id, after.id] as [String?] {
                let target = point.map { ["--point", $0] } ?? ["--latest"]
                let copy = try protected.restore(target)
                let rows = try copy.psql("select count(*) from ledger")
                #expect(rows == (point == nil ? "200100" : "200010"))
                try copy.judge()
            }
            try checkEarly(early, protected)
            let check = try protected.pgkeep(
                ["vault", "check", "--level", "decode"],
                ["PGKEEP_KEY_FILE": kept]
            )
            #expect(check.succeeded, "\(check.errors)")
            #expect(next.terminate().succeeded)
            // The old key goes; what it opened stays open to the other one.
            let removed = try protected.pgkeep(
                ["vault", "key", "remove", "0"],
                ["PGKEEP_KEY_FILE": kept]
            )
            #expect(removed.succeeded, "\(removed.errors)")
            #expect(try protected.pgkeep(["backup", "list", "main"]).exitCode == 6)
            let list = try protected.pgkeep(
                ["backup", "list", "main"],
                ["PGKEEP_KEY_FILE": kept]
            )
            #expect(list.succeeded && list.errors.contains(before.id))
        }
    }

    /// A copy whose WAL key is older than the rotation stops where newer keys are needed, and
    /// recovers to the end once its command names the vault's key, as the log advises.
    private func checkEarly(_ copy: PostgresServer, _ protected: ProtectedServer) throws {
        let attempt = try copy.launch()
        let ended = try #require(attempt.wait(seconds: 120), "the copy goes on without its WAL")
        #expect(!ended.succeeded)
        #expect(copy.logText.contains("keys were rotated after this WAL key was made"))
        #expect(copy.logText.contains("--key-file FILE"))

        let path = copy.dataDirectory + "/postgresql.auto.conf"
        let text = String(decoding: try FileSystem.readFile(path), as: UTF8.self)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            guard line.hasPrefix("restore_command"), line.contains("--wal-key") else {
                return String(line)
            }
            let words = line.split(separator: " ", omittingEmptySubsequences: false).map(
                String.init
            )
            guard let option = words.firstIndex(of: "--wal-key") else { return String(line) }
            return (words[..<option] + ["--key-file", protected.keyFile] + words[(option + 2)...])
                .joined(separator: " ")
        }
        try FileSystem.writeAtomically(path, Array(lines.joined(separator: "\n").utf8))
        try ServerUser.own(path)
        try copy.start()
        try copy.waitForPromotion()
        #expect(try copy.psql("select count(*) from ledger") == "200100")
        try copy.stop()
    }
}
