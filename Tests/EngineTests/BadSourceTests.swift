import Domain
import Platform
import TestSupport
import Testing

/// A source that cannot be used: the message says what is missing and how to get it, and nothing
/// is left behind.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct BadSourceTests {
    private static let password = "correct-horse-battery"
    private static let wrong = "staple-wrong-donkey"

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a role that may not do it is told what it lacks`(major: Int) throws {
        try ProtectedServer.with(.required(major)) { protected in
            try makeRoles(protected.server)
            let settings = protected.server.conninfo
            func add(_ user: String, _ variables: [String: String], _ words: [String]) throws {
                let source = protected.server.conninfo(user: user)
                try protected.refuses(
                    ["instance", "add", "other", "--source", source],
                    .unreachable,
                    words,
                    variables,
                    secrets: [Self.password, Self.wrong]
                )
            }
            try add(
                "guarded",
                ["PGPASSWORD": Self.wrong],
                ["password authentication failed", "password of guarded"]
            )
            let passfile = protected.scratch.file("passfile")
            try FileSystem.writeAtomically(passfile, Array("*:*:*:*:\(Self.wrong)\n".utf8))
            try ServerUser.own(passfile)
            try add("guarded", ["PGPASSFILE": passfile], ["password", ".pgpass"])
            try add("guarded", [:], ["password", ".pgpass"])
            let loud = try protected.pgkeep(
                [
                    "--verbose", "instance", "add", "other", "--source",
                    protected.server.conninfo(user: "guarded"),
                ],
                ["PGPASSWORD": Self.wrong]
            )
            #expect(loud.exitCode == 7 && !loud.errors.contains(Self.wrong))
            try add("plain", [:], ["ALTER ROLE plain REPLICATION;"])
            try add("shut", [:], ["pg_hba.conf", "local replication shut scram-sha-256"])

            // A password in the connection string is refused, and not shown either.
            try protected.refuses(
                ["instance", "add", "other", "--source", settings + " password=\(Self.password)"],
                .refused,
                ["password", "~/.pgpass"],
                secrets: [Self.password]
            )
            let host = protected.server.socketDirectory
            let uri = "postgresql://guarded:\(Self.password)@/postgres?host=\(host)"
            try protected.refuses(
                ["instance", "add", "other", "--source", uri],
                .refused,
                ["password", "~/.pgpass"],
                secrets: [Self.password]
            )
            #expect(
                try protected.server.psql("select slot_name from pg_replication_slots")
                    == "pgkeep_main"
            )
            let known = try protected.succeed(["instance", "list", "--json"]).output
            #expect(known.contains("\"main\"") && !known.contains("\"other\""))
        }
    }

    private func makeRoles(_ server: PostgresServer) throws {
        try server.psql(
            """
            create role guarded login replication password '\(Self.password)';
            create role plain login;
            create role shut login replication;
            """
        )
        try server.setHostAccess([
            "local all,replication guarded scram-sha-256",
            "local all postgres,plain,shut trust",
            "local replication postgres,plain trust",
        ])
        try server.reload()
    }

    @Test func `a protected server that shuts its door is told so by every job`() throws {
        try ProtectedServer.with(.newest()) { protected in
            try protected.server.setHostAccess(["local all all trust"])
            try protected.server.reload()
            let line = "local replication postgres scram-sha-256"
            try waitUntil("the door is shut") {
                try !protected.pgkeep(["wal", "stream", "main", "--until-caught-up"]).succeeded
            }
            try protected.refuses(["backup", "create", "main"], .unreachable, [line])
            // It would not open by itself: the stream ends instead of knocking for ever.
            try protected.refuses(["wal", "stream", "main"], .unreachable, [line])
            try protected.server.stop()
            try protected.refuses(
                ["backup", "create", "main"],
                .unreachable,
                ["cannot connect", "check that the server runs"]
            )
            #expect(try protected.points().map(\.id) == [protected.firstPoint.id])
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a server with wal_level minimal is told the line to write`(major: Int) throws {
        try ProtectedServer.with(.required(major)) { protected in
            try protected.server.psql("select pg_drop_replication_slot('pgkeep_main')")
            try protected.server.stop()
            try protected.server.start(["-c", "wal_level=minimal", "-c", "max_wal_senders=0"])
            let words = ["wal_level", "wal_level = replica", "max_wal_senders = 10"]
            try protected.refuses(["backup", "create", "main"], .unreachable, words)
            try protected.refuses(
                ["instance", "add", "other", "--source", protected.server.conninfo],
                .unreachable,
                words
            )
            try protected.refuses(
                ["wal", "stream", "main", "--until-caught-up"],
                .unreachable,
                ["max_wal_senders"]
            )
            try protected.server.restart()
            try protected.server.psql("create table afterwards ()")
            try protected.backup()
            let copy = try protected.restore([])
            #expect(try copy.psql("select count(*) from afterwards") == "0")
        }
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `a server that goes away in the middle of a backup`(major: Int) throws {
        try ProtectedServer.with(
            .required(major),
            prepare: { try $0.pgbenchInit(scale: 2) },
            { protected in
                let stream = try protected.startStream()
                for mode in [PostgresServer.StopMode.fast, nil] {
                    let backup = try protected.startSlowBackup()
                    if let mode {
                        try protected.server.stop(mode, seconds: 30)
                    } else {
                        try protected.server.kill()
                    }
                    expectRefusal(backup.wait(), .unreachable, ["server", "run it again"])
                    #expect(try protected.points().map(\.id) == [protected.firstPoint.id])
                    try protected.server.start()
                }
                // The stream has outlived both, and takes up where it was.
                try waitUntil("the stream is back") { try protected.acknowledged() != nil }
                #expect(stream.isRunning)
                let point = try protected.backup()
                try protected.waitUntilStreamed()
                let copy = try protected.restore(["--point", point.id])
                #expect(try copy.psql("select count(*) from pgbench_accounts") == "200000")
                try copy.judge()
            }
        )
    }

    @Test func `another server at the old address is not taken for the old one`() throws {
        try ProtectedServer.with(.newest()) { protected in
            try protected.server.psql("create table ours ()")
            try protected.catchUp()
            let server = protected.server
            try server.stop()
            let other = try PostgresServer.create(server.installation, in: protected.scratch)
            let identifier = try other.systemIdentifier()
            try other.stop()
            try FileSystem.rename(server.dataDirectory, to: server.dataDirectory + ".old")
            try FileSystem.rename(other.dataDirectory, to: server.dataDirectory)
            try server.start()

            let before = try protected.holdings()
            let words = ["another one", "\(identifier)", "add this server under a new name"]
            try protected.refuses(["backup", "create", "main"], .refused, words)
            try protected.refuses(["wal", "stream", "main"], .refused, words)
            #expect(try protected.holdings() == before)

            try protected.succeed(["instance", "add", "other", "--source", server.conninfo])
            // What the vault has of the old one is as good as ever.
            let copy = try protected.restore([])
            #expect(try copy.psql("select count(*) from ours") == "0")
        }
    }
}

extension ProtectedServer {
    /// What the vault holds of points, packs and WAL: leases and claims come and go.
    func holdings() throws -> [String: String] {
        try Self.contents(vault).filter { path, _ in
            !path.contains("/lease") && !path.contains("/claim") && !path.contains("/tmp")
        }
    }
}
