import Domain
import FoundationEssentials
import Platform
import TestSupport

/// A server under pgkeep's protection, driven as an operator would: by the program, as the server's
/// user.
///
/// Made by `with`: a server, a vault with a key file beside it, and the instance `main` with its
/// first backup taken. No stream runs until `startStream`. The instance's source is a libpq
/// service, so that a test can let it lead to another server, as an address that moves does.
final class ProtectedServer {
    /// The instance's name.
    static let name = "main"

    /// The server the instance's source leads to.
    private(set) var server: PostgresServer
    /// Everything lies in here; ends all of it.
    let scratch: ScratchDirectory
    /// The vault's directory.
    let vault: String
    /// The vault's key file.
    let keyFile: String
    /// The first backup.
    private(set) var firstPoint: Point
    private var runner: CommandRunner
    private let serviceFile: String

    private init(_ server: PostgresServer, _ scratch: ScratchDirectory) throws {
        let home = try scratch.serverDirectory("operator", mode: 0o755)
        self.server = server
        self.scratch = scratch
        vault = home + "/vault"
        keyFile = home + "/vault.key"
        serviceFile = home + "/services"
        runner = CommandRunner.asServer.with([
            "HOME": home, "PGKEEP_VAULT": vault, "PGKEEP_KEY_FILE": keyFile, "TZ": "UTC",
            "PGSERVICEFILE": serviceFile,
        ])
        firstPoint = Point()
        try lead(to: server)
    }

    /// Lets the instance's source lead to another server from now on.
    func lead(to server: PostgresServer) throws {
        let lines = server.conninfo.split(separator: " ").joined(separator: "\n")
        try FileSystem.writeAtomically(serviceFile, Array("[main]\n\(lines)\n".utf8))
        try ServerUser.own(serviceFile)
        self.server = server
    }

    /// Runs `body` with a server protected from now on; everything is gone afterwards.
    ///
    /// - Parameter prepare: fills the server before it is protected.
    static func with<Result>(
        _ installation: PostgresInstallation,
        options: PostgresServer.Options = PostgresServer.Options(),
        prepare: (PostgresServer) throws -> Void = { _ in },
        _ body: (ProtectedServer) throws -> Result
    ) throws -> Result {
        try withVault(installation, options: options, prepare: prepare) { protected in
            try protected.succeed(["instance", "add", name, "--source", "service=main"])
            guard let first = try protected.points().first else {
                throw PgkeepError(.unexpected, "instance add took no backup")
            }
            protected.firstPoint = first
            return try body(protected)
        }
    }

    /// As `with`, but nothing is protected yet: there is a server and an empty vault.
    static func withVault<Result>(
        _ installation: PostgresInstallation,
        options: PostgresServer.Options = PostgresServer.Options(),
        prepare: (PostgresServer) throws -> Void = { _ in },
        _ body: (ProtectedServer) throws -> Result
    ) throws -> Result {
        try PostgresServer.with(installation, options: options) { server, scratch in
            try prepare(server)
            let protected = try ProtectedServer(server, scratch)
            try protected.succeed(["vault", "init", protected.vault])
            return try body(protected)
        }
    }

    // MARK: The program

    /// Runs the program with more variables from now on.
    func use(_ variables: [String: String]) { runner = runner.with(variables) }

    /// Runs pgkeep to its end, however it ends.
    func pgkeep(_ arguments: [String], _ variables: [String: String] = [:]) throws -> CommandResult
    {
        try runner.with(variables).pgkeep(arguments)
    }

    /// Starts pgkeep in the background.
    func startPgkeep(
        _ arguments: [String],
        _ variables: [String: String] = [:]
    ) throws -> RunningCommand {
        try runner.with(variables).startPgkeep(arguments)
    }

    /// Runs pgkeep and throws, with its words, unless it succeeds.
    @discardableResult
    func succeed(_ arguments: [String]) throws -> CommandResult {
        let result = try pgkeep(arguments)
        guard result.succeeded else {
            throw PgkeepError(
                .unexpected,
                "pgkeep \(arguments.joined(separator: " ")): exit \(result.exitCode): "
                    + result.errors
            )
        }
        return result
    }

    /// Runs pgkeep with `--json` and reads what it answers.
    func ask<Answer: Decodable>(_ arguments: [String], as type: Answer.Type) throws -> Answer {
        try Self.read(succeed(arguments + ["--json"]), as: type)
    }

    /// Reads the document a run with `--json` wrote: keys in snake case.
    static func read<Answer: Decodable>(_ result: CommandResult, as type: Answer.Type) throws
        -> Answer
    {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(result.outputBytes))
    }

    // MARK: Backup and stream

    /// Takes a backup now.
    @discardableResult
    func backup() throws -> Point { try ask(["backup", "create", Self.name], as: Point.self) }

    /// The points there are, oldest first.
    func points() throws -> [Point] {
        try ask(["backup", "list", Self.name], as: PointList.self).points
    }

    /// The recovery window.
    func window() throws -> Window { try ask(["window", "show", Self.name], as: Window.self) }

    /// The plan for a target; an unreachable one is a plan too.
    func plan(_ target: [String]) throws -> Plan {
        try Self.read(
            pgkeep(["restore", "plan", Self.name, "--json"] + target),
            as: Plan.self
        )
    }

    /// Starts the stream and waits until the server sends to it.
    func startStream(_ arguments: [String] = []) throws -> RunningCommand {
        let stream = try startPgkeep(["wal", "stream", Self.name] + arguments)
        try waitUntil("the stream is connected", seconds: 120) {
            if let result = stream.result {
                throw PgkeepError(.unexpected, "the stream ended: \(result.errors)")
            }
            return try acknowledged() != nil
        }
        return stream
    }

    /// The position the stream has acknowledged to the server; nil when none is connected.
    func acknowledged() throws -> LSN? {
        let text = try server.psql(
            """
            select flush_lsn from pg_stat_replication
            where application_name = 'pgkeep' and state = 'streaming'
            """
        )
        return LSN(text)
    }

    /// Waits until the stream has acknowledged a position; without one, all written until now.
    @discardableResult
    func waitUntilStreamed(_ position: LSN? = nil) throws -> LSN {
        let target = try position ?? server.currentLSN()
        try waitUntil("the stream has acknowledged \(target)", seconds: 120) {
            try acknowledged().map { $0 >= target } ?? false
        }
        return target
    }

    /// Fetches all WAL the server has by now, without a stream running.
    func catchUp() throws { try succeed(["wal", "stream", Self.name, "--until-caught-up"]) }

    // MARK: Restore

    /// Restores to a target into a fresh directory, has `pg_verifybackup` judge it, and gives the
    /// server, not started, and what pgkeep answered.
    func restoreFiles(
        _ target: [String],
        _ arguments: [String] = []
    ) throws -> (copy: PostgresServer, answer: Restored) {
        let directory = scratch.unusedPath("copy")
        try FileSystem.makeDirectories(directory)
        try ServerUser.own(directory)
        let answer = try ask(
            ["restore", "start", Self.name, "--to-dir", directory] + target + arguments,
            as: Restored.self
        )
        try server.check("pg_verifybackup", [directory])
        let copy = try PostgresServer(server.installation, dataDirectory: directory, in: scratch)
        return (copy, answer)
    }

    /// As `restoreFiles`, the server alone.
    func restoreOnly(_ target: [String], _ arguments: [String] = []) throws -> PostgresServer {
        try restoreFiles(target, arguments).copy
    }

    /// Restores to a target, starts the copy and waits until it accepts writes.
    func restore(_ target: [String], _ arguments: [String] = []) throws -> PostgresServer {
        let copy = try restoreOnly(target, arguments)
        try copy.start()
        try copy.waitForPromotion()
        return copy
    }
}

extension PostgresServer {
    /// Waits until recovery has ended; throws with the log when the server ends instead.
    func waitForPromotion(seconds: Double = 120) throws {
        try waitUntil("the copy accepts writes", seconds: seconds) {
            guard isRunning else {
                throw PgkeepError(.unexpected, "the copy ended: \(logText)")
            }
            let answer = try tryPsql("select pg_is_in_recovery()")
            return answer.succeeded && answer.trimmedOutput == "f"
        }
    }

    /// Everything PostgreSQL's own tools can judge: pg_amcheck on the running server, then, after a
    /// clean stop, pg_checksums where checksums are on.
    func judge() throws {
        _ = try amcheck()
        let hasChecksums = try psql("show data_checksums") == "on"
        try stop()
        if hasChecksums { try check("pg_checksums", ["--check", "-D", dataDirectory]) }
    }
}
