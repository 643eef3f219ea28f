import Domain
import Platform
import TestSupport
import Testing

/// The entry points of docker-compose.yml, run as plain commands: what the containers would do,
/// without an engine.
@Suite(.enabled(if: PostgresInstallation.serversWanted))
struct ComposeTests {
    private static let scripts: String = {
        let file = FileSystem.resolved("\(#filePath)") ?? "\(#filePath)"
        let root = file.split(separator: "/").dropLast(3).reduce(into: "") { $0 += "/" + $1 }
        return root + "/Sources/Agent/Packaging/compose/"
    }()

    /// Scripts are given as text: the server's user may not be let into the directory the sources
    /// lie in.
    private func start(_ runner: CommandRunner, _ script: String) throws -> RunningCommand {
        let text = String(
            decoding: try FileSystem.readFile(Self.scripts + script),
            as: UTF8.self
        )
        return try runner.start("/bin/sh", ["-c", text, script])
    }

    private func run(_ runner: CommandRunner, _ script: String) throws -> CommandResult {
        try start(runner, script).wait()
    }

    @Test func `the server gets its role, its way in and its load`() throws {
        let installation = try PostgresInstallation.required(15)
        try PostgresServer.with(installation) { server, _ in
            let runner = CommandRunner.asServer.with([
                "PATH": installation.binaries + ":/usr/bin:/bin", "PGHOST": server.socketDirectory,
                "PGPORT": "\(server.port)", "PGUSER": "postgres", "PGDATA": server.dataDirectory,
                "POSTGRES_USER": "postgres", "BACKUP_PASSWORD": "it's one", "SCALE": "1",
            ])
            let made = try run(runner, "server.sh")
            #expect(made.succeeded, "\(made.errors)")
            let role =
                "select rolreplication and rolcanlogin from pg_roles where rolname = 'backup'"
            #expect(try server.psql(role) == "t")
            let rules = try FileSystem.readFile(server.dataDirectory + "/pg_hba.conf")
            #expect(String(decoding: rules, as: UTF8.self).contains("host replication backup all"))
            let load = try start(runner, "load.sh")
            try waitUntil("the load writes", seconds: 120) {
                load.isRunning
                    && (try? server.psql("select count(*) > 20 from pgbench_history")) == "t"
            }
            load.kill()
        }
    }

    @Test func `vault and token are made once, the agent protects, and the drill judges`() throws {
        let installation = try PostgresInstallation.required(15)
        try PostgresServer.with(installation) { server, scratch in
            let program = try CommandRunner.pgkeepBinary.get()
            let directory = FileSystem.parent(of: program) ?? "/"
            let (home, place) = (try scratch.directory("home"), try scratch.directory("drills"))
            for path in [home, place] { try FileSystem.setMode(path, 0o777) }
            let (vault, key, token) = (home + "/vault", home + "/vault.key", home + "/token")
            // As one user, as in the containers.
            let runner = CommandRunner.asServer.with([
                "PATH": "\(directory):/usr/bin:/bin", "HOME": home,
                "PGKEEP_VAULT": vault, "PGKEEP_KEY_FILE": key, "TOKEN_FILE": token,
                "SOURCE": server.conninfo, "LISTEN": "127.0.0.1:0", "TMPDIR": place,
            ])
            #expect(try run(runner.with(["TRIES": "1"]), "drill.sh").exitCode == 7)
            for _ in 1...2 {
                let made = try run(runner, "init.sh")
                #expect(made.succeeded, "\(made.errors)")
            }
            let secret = try FileSystem.readFile(token)
            #expect(secret.count == 64)
            #expect(try FileSystem.info(token)?.mode == 0o440)
            #expect(try FileSystem.info(key)?.mode == 0o600)
            let agent = try start(runner, "agent.sh")
            defer { agent.terminate(seconds: 120) }
            try agent.waitForOutput("metrics and health are served", seconds: 120)
            let form = /"address":"([^"]+)"/
            let address = try #require(agent.errorsSoFar.firstMatch(of: form)).1
            let shown = ["Authorization: Bearer " + String(decoding: secret, as: UTF8.self)]
            #expect(try RawHTTP.ask(String(address), "/metrics").status == 401)
            try waitUntil("the agent protects the server", seconds: 120) {
                try RawHTTP.ask(String(address), "/metrics", headers: shown).body.contains(
                    "\npgkeep_protection_state{name=\"main\",state=\"protected\"} 1\n"
                )
            }
            try server.psql("create table kept as select generate_series(1, 100) n")
            let drilled = try run(runner, "drill.sh")
            #expect(drilled.exitCode == 0, "\(drilled.errors)")
            #expect(try FileSystem.list(place) == [], "the drill leaves something behind")
            // What a drill is for: a vault that restores nothing any more fails it.
            agent.terminate(seconds: 120)
            for system in try #require(try FileSystem.list(vault + "/c")) {
                try FileSystem.removeTree("\(vault)/c/\(system)/pack")
            }
            #expect(try run(runner, "drill.sh").exitCode != 0)
        }
    }
}
