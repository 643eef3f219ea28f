import Domain
import Platform
import TestSupport

/// An agent that serves HTTP, as a child of the test process, over a vault of its own.
struct AgentFixture {
    let program: CommandLineFixture
    let vault: String
    let settings: [String: String]

    /// Runs `body` with a fresh vault.
    static func with(_ body: (AgentFixture) throws -> Void) throws {
        try CommandLineFixture.with { program in
            let (vault, key) = try program.vault()
            let settings = ["PGKEEP_VAULT": vault, "PGKEEP_KEY_FILE": key]
            try body(AgentFixture(program: program, vault: vault, settings: settings))
        }
    }

    /// Starts an agent that listens on a free port unless told otherwise.
    func start(
        _ options: [String] = ["--listen", "127.0.0.1:0"],
        environment: [String: String] = [:]
    ) throws -> RunningCommand {
        try program.runner.with(settings).with(environment)
            .startPgkeep(["agent", "run", "--log-format", "json"] + options)
    }

    /// Runs `body` with an agent and its address, and ends it.
    func running(
        _ options: [String] = ["--listen", "127.0.0.1:0"],
        environment: [String: String] = [:],
        _ body: (_ address: String, _ agent: RunningCommand) throws -> Void
    ) throws {
        let agent = try start(options, environment: environment)
        defer { agent.terminate(seconds: 120) }
        try body(try address(of: agent), agent)
    }

    /// Where an agent says it serves.
    func address(of agent: RunningCommand) throws -> String {
        try agent.waitForOutput("metrics and health are served", seconds: 120)
        let form = /"address":"([^"]+)"/
        guard let match = agent.errorsSoFar.firstMatch(of: form) else {
            throw PgkeepError(.unexpected, "no address: \(agent.errorsSoFar)")
        }
        return String(match.1)
    }

    /// The document a command writes.
    func document(_ words: String...) throws -> String {
        let result = try program.runner.with(settings).pgkeep(words + ["--json"])
        guard result.succeeded else { throw UnexpectedExit(result: result) }
        return result.output
    }
}

/// Debian's checker of metrics and rules, where `make setup` put it or the system has it.
enum Promtool {
    static let path: String? = {
        let beside = FileSystem.resolved("\(#filePath)") ?? "\(#filePath)"
        let root = beside.split(separator: "/").dropLast(3).reduce(into: "") { $0 += "/" + $1 }
        let places = [root + "/.build/tools/usr/bin/promtool", "/usr/bin/promtool"]
        return places.first { (try? FileSystem.info($0)) != nil }
    }()

    /// What it has to say about a text of metrics; empty when nothing.
    static func complaints(_ text: String) throws -> String {
        guard let path else { return "" }
        let result = try CommandRunner().run(path, ["check", "metrics"], input: Array(text.utf8))
        return result.succeeded ? "" : result.errors + result.output
    }
}
