import Domain
import FoundationEssentials
import Glibc
import Platform
import TestSupport
import Testing

/// A vault with its key, servers protected in it, and agents that run as processes.
struct AgentFixture {
    /// What `wal status --json` says, as far as it is needed here.
    struct WALStatus: Decodable {
        struct Gap: Decodable {}

        var streaming: Bool
        var durableLSN: LSN?
        var gaps: [Gap]
        var failure: String?

        enum CodingKeys: String, CodingKey {
            case streaming, gaps, failure
            case durableLSN = "durable_lsn"
        }
    }

    /// What `job list` says of a job.
    struct Job: Decodable {
        var kind: String
        var state: String
        var trigger: String
    }

    /// What `backup list` says of a point.
    struct Point: Decodable {
        var trigger: String
        var consistentAt: Timestamp
    }

    let scratch: ScratchDirectory
    let runner: CommandRunner
    let vault: String
    let key: String

    /// Runs `body` with a new vault.
    static func with(_ body: (AgentFixture) throws -> Void) throws {
        try ScratchDirectory.with { scratch in
            let (vault, key) = (scratch.file("vault"), scratch.file("vault.key"))
            let fixture = AgentFixture(
                scratch: scratch,
                runner: CommandRunner(environment: [
                    "HOME": try scratch.directory("home"), "PGKEEP_VAULT": vault,
                    "PGKEEP_KEY_FILE": key,
                ]),
                vault: vault,
                key: key
            )
            try fixture.pgkeep("vault", "init", "--key-file", key)
            try body(fixture)
        }
    }

    /// The same vault, for programs that run with more variables.
    func with(_ variables: [String: String]) -> AgentFixture {
        AgentFixture(scratch: scratch, runner: runner.with(variables), vault: vault, key: key)
    }

    /// A new server of the newest version there is.
    func server(
        settings: [String: String] = [:],
        environment: [String: String] = [:]
    ) throws -> PostgresServer {
        let major = try #require(PostgresInstallation.testedMajors.last)
        var options = PostgresServer.Options(settings: settings)
        options.environment = environment
        return try PostgresServer.create(.required(major), in: scratch, options: options)
    }

    /// Runs pgkeep, which must succeed; its standard output.
    @discardableResult
    func pgkeep(_ words: String...) throws -> CommandResult {
        let result = try runner.pgkeep(words)
        #expect(result.succeeded, "\(words): \(result.errors)")
        return result
    }

    /// Runs pgkeep with `--json` and reads what it answers: keys in snake case.
    func ask<Answer: Decodable>(_ words: [String], as type: Answer.Type) throws -> Answer {
        let result = try runner.pgkeep(words + ["--json"])
        guard result.succeeded else {
            throw PgkeepError(.unexpected, "pgkeep \(words)", hint: result.errors)
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(result.outputBytes))
    }

    /// The jobs there are, the newest first.
    func jobs() throws -> [Job] {
        struct Jobs: Decodable { var jobs: [Job] }
        return try ask(["job", "list", "--all"], as: Jobs.self).jobs
    }

    /// An instance's points, the oldest first.
    func points(_ name: String) throws -> [Point] {
        struct Points: Decodable { var points: [Point] }
        return try ask(["backup", "list", name], as: Points.self).points
    }

    /// Protects a server under this name.
    func add(_ server: PostgresServer, _ name: String) throws {
        try pgkeep(
            "instance",
            "add",
            name,
            "--no-initial-backup",
            "--source",
            "host=\(server.socketDirectory) port=\(server.port) user=postgres dbname=postgres"
        )
    }

    /// Starts an agent; it is killed with the scratch directory at the latest.
    func agent(_ words: String...) throws -> RunningAgent {
        RunningAgent(command: try runner.startPgkeep(["agent", "run"] + words))
    }

    /// Where an instance's stream stands.
    func status(_ name: String) throws -> WALStatus {
        let bytes = try pgkeep("wal", "status", name, "--json").outputBytes
        return try JSONDecoder().decode(WALStatus.self, from: Data(bytes))
    }

    /// Waits until all the server has written by now is in the vault.
    func waitForWAL(_ server: PostgresServer, _ name: String) throws {
        let text = try server.psql("select pg_current_wal_flush_lsn()")
        let end = try #require(LSN(text))
        try waitUntil("\(name) is durable up to \(end)", seconds: 120) {
            let status = try status(name)
            return status.streaming && (status.durableLSN ?? .zero) >= end
        }
    }
}

/// An agent that runs as a process, and what it says and runs.
struct RunningAgent {
    /// A line of its log.
    struct Line: Decodable {
        var level: String
        var message: String
        var instance: String?
        var task: String?
        var pid: String?
    }

    let command: RunningCommand

    /// Its log so far.
    var lines: [Line] {
        command.errorsSoFar.split(separator: "\n").compactMap {
            try? JSONDecoder().decode(Line.self, from: Data($0.utf8))
        }
    }

    /// The processes it runs now.
    var children: [Int32] { PostgresServer.children(of: command.pid) }

    /// The process that streams an instance now.
    func stream(_ name: String) -> Int32? {
        children.first { Self.words($0).contains("wal stream \(name)") }
    }

    /// Waits until an instance is streamed by another process than `former`.
    @discardableResult
    func waitForStream(_ name: String, otherThan former: Int32? = nil) throws -> Int32 {
        var found: Int32?
        try waitUntil("\(name) is streamed: \(command.errorsSoFar)", seconds: 120) {
            if let result = command.result {
                throw PgkeepError(.unexpected, "the agent ended: \(result.errors)")
            }
            found = stream(name)
            return found != nil && found != former
        }
        return try #require(found)
    }

    /// Waits until it has said this, so many times.
    func waitFor(_ message: String, instance: String? = nil, times: Int = 1) throws {
        try waitUntil("it says '\(message)': \(command.errorsSoFar)", seconds: 120) {
            let found = lines.filter {
                $0.message == message && (instance == nil || $0.instance == instance)
            }
            return found.count >= times
        }
    }

    /// Ends it in order; it must leave nothing behind.
    func end() throws {
        let children = children
        let result = command.terminate(seconds: 120)
        #expect(result.exitCode == 0, "\(result.errors)")
        try Self.waitUntilGone(children)
    }

    /// Waits until none of these processes is left.
    static func waitUntilGone(_ processes: [Int32]) throws {
        try waitUntil("\(processes) have ended", seconds: 120) {
            processes.allSatisfy { PostgresServer.processState($0) == nil }
        }
    }

    private static func words(_ process: Int32) -> String {
        let bytes = (try? FileSystem.readFile("/proc/\(process)/cmdline")) ?? []
        return String(decoding: bytes.map { $0 == 0 ? 32 : $0 }, as: UTF8.self)
    }
}
