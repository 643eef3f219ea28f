import Domain
import Glibc
import Platform
import TestSupport
import Testing

/// Moments that cannot be restored, and directories that must not be restored into.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct BadTargetTests {
    @Test(arguments: PostgresInstallation.testedMajors)
    func `a target outside the window is refused with the window`(major: Int) throws {
        let prepare: (PostgresServer) throws -> Void = { try $0.psql("create table t (x int)") }
        try ProtectedServer.with(.required(major), prepare: prepare) { protected in
            try protected.server.psql("insert into t values (1)")
            try protected.catchUp()
            let end = try #require(try protected.window().intervals.last)
            // Committed, but archived by nobody.
            let later = try protected.server.psql(
                "insert into t values (2) returning pg_current_xact_id()"
            )
            try protected.server.psql("select pg_create_restore_point('not-archived')")
            let beyond = try protected.server.currentLSN()
            let targets: [(target: [String], words: [String])] = [
                (["--time", "2001-01-01T00:00:00Z"], ["before the first", "next one is"]),
                (["--time", "2101-01-01T00:00:00Z"], ["2101", "the last reachable moment is"]),
                (["--lsn", "0/28"], ["0/28", "before the first", "the next one is"]),
                (["--lsn", "\(beyond)"], ["after the last archived WAL", "last reachable"]),
                (["--xid", later], ["no transaction \(later)", "last reachable moment"]),
                (["--name", "not-archived"], ["\"not-archived\"", "last reachable moment"]),
                (["--timeline", "7"], ["timeline 7 is not in the archive"]),
            ]
            let directory = protected.scratch.file("operator/never")
            let window = ["recovery window is", "\(end.earliest)"]
            for (target, words) in targets {
                let plan = ["restore", "plan", "main"] + target
                try protected.refuses(plan, .outsideWindow, words + window)
                try protected.refuses(
                    ["restore", "start", "main", "--to-dir", directory] + target,
                    .outsideWindow,
                    words + window
                )
                let document = try protected.plan(target)
                #expect(!document.reachable && !document.reason.isEmpty, "\(target)")
            }
            try protected.refuses(
                ["restore", "plan", "main", "--point", "0000"],
                .notFound,
                ["no recovery point 0000", "backup list"]
            )
            #expect(try FileSystem.info(directory) == nil)
            // The same targets are met once the WAL is there.
            try protected.catchUp()
            #expect(try protected.plan(["--xid", later]).reachable)
            #expect(try protected.plan(["--name", "not-archived"]).reachable)
        }
    }

    @Test func `words that are no target are wrong usage`() throws {
        try ProtectedServer.with(.newest()) { protected in
            for target in [
                ["--time", "yesterday"], ["--lsn", "12"], ["--xid", "-4"], ["--timeline", "zero"],
                ["--time", "2026-03-14T15:09:26Z", "--lsn", "0/1"],
            ] {
                try protected.refuses(["restore", "plan", "main"] + target, .usage, [])
            }
        }
    }

    @Test func `a directory that holds anything is left as it is`() throws {
        try ProtectedServer.with(.newest()) { protected in
            let tablespace = try protected.server.createTablespace("space")
            try protected.server.psql("create table t tablespace space as select 1 as x")
            try protected.backup()
            try protected.server.stop()
            let home = try protected.scratch.serverDirectory("targets", mode: 0o755)
            let full = home + "/full"
            try FileSystem.makeDirectory(full)
            try FileSystem.writeAtomically(full + "/precious", [1, 2, 3])
            try ServerUser.own(full)
            let unfinished = home + "/unfinished"
            for directory in ["base", "global"] {
                try FileSystem.makeDirectories("\(unfinished)/\(directory)")
                try ServerUser.own("\(unfinished)/\(directory)")
            }
            try ServerUser.own(unfinished)
            let closed = home + "/closed"
            try FileSystem.makeDirectory(closed)
            let mayLook = ServerUser.name == nil
            let link = home + "/link"
            try FileSystem.makeLink(link, to: protected.server.dataDirectory + "/base")
            let data = protected.server.dataDirectory
            let targets: [(directory: String, words: [String])] = [
                (full, ["is not empty", "precious"]),
                (full + "/precious", ["not a directory"]),
                (unfinished, ["what an unfinished restore left", "remove it"]),
                (home + "/no/such/place", ["does not exist"]),
                (data, ["not empty"]),
                (data + "/inside", ["inside the data directory"]),
                (data + "/base/inside", ["inside the data directory"]),
                (link + "/inside", ["inside the data directory", data]),
                (link, ["inside the data directory"]),
                (tablespace + "/inside", ["inside the tablespace"]),
                (protected.vault + "/inside", ["inside the vault"]),
                (protected.vault, ["not empty"]),
                (closed + "/inside", mayLook ? [] : ["cannot look into", "run as the user"]),
            ]
            let places = [home, data, tablespace]
            let before = try places.map(ProtectedServer.contents)
            let holdings = try protected.holdings()
            for (directory, words) in targets where !words.isEmpty {
                let arguments = ["restore", "start", "main", "--to-dir", directory]
                try protected.refuses(arguments, .refused, words)
            }
            try refusesTablespaces(protected, home, [full, data + "/inside", link + "/x"])
            #expect(try places.map(ProtectedServer.contents) == before)
            #expect(try protected.holdings() == holdings)

            // A running server is known by its lock file, whatever else is there.
            try protected.server.start()
            try protected.refuses(
                ["restore", "start", "main", "--to-dir", data],
                .refused,
                ["data directory of a server", "never overwrites"]
            )
            #expect(try protected.server.psql("select x from t") == "1")
        }
    }

    /// The places of tablespaces are looked at as closely as the data directory's.
    private func refusesTablespaces(
        _ protected: ProtectedServer,
        _ home: String,
        _ places: [String]
    ) throws {
        let points = try protected.succeed(["backup", "list", "main", "--json"]).output
        let digits = try #require(points.firstMatch(of: #/"oid"\s*:\s*(\d+)/#)).output.1
        for place in places {
            try protected.refuses(
                [
                    "restore", "start", "main", "--to-dir", home + "/new", "--tablespace",
                    "\(digits)=\(place)",
                ],
                .refused,
                [place]
            )
        }
        try protected.refuses(
            [
                "restore", "start", "main", "--to-dir", home + "/new", "--tablespace",
                "\(digits)=\(home)/new",
            ],
            .usage,
            ["one directory"]
        )
    }
}
