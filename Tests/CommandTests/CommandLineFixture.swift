import FoundationEssentials
import Platform
import TestSupport

/// A home directory of its own, and pgkeep run in it with nothing set but what is given.
struct CommandLineFixture {
    let scratch: ScratchDirectory
    let runner: CommandRunner

    /// Runs `body` with a fresh one.
    static func with(_ body: (CommandLineFixture) throws -> Void) throws {
        try ScratchDirectory.with { scratch in
            let home = try scratch.directory("home")
            let runner = CommandRunner(environment: ["HOME": home])
            try body(CommandLineFixture(scratch: scratch, runner: runner))
        }
    }

    /// Where config and key files go by default.
    var configDirectory: String { scratch.file("home") + "/.config/pgkeep" }

    /// Runs pgkeep with these words and variables.
    func run(_ words: [String], environment: [String: String] = [:]) throws -> CommandResult {
        try runner.with(environment).pgkeep(words)
    }

    /// Runs pgkeep with these words.
    func run(_ words: String..., environment: [String: String] = [:]) throws -> CommandResult {
        try run(words, environment: environment)
    }

    /// Makes a vault and returns its directory and key file.
    func vault(_ name: String = "vault") throws -> (path: String, key: String) {
        let (path, key) = (scratch.file(name), scratch.file(name + ".key"))
        let made = try run("vault", "init", path, "--key-file", key)
        guard made.succeeded else { throw UnexpectedExit(result: made) }
        return (path, key)
    }

    /// Writes a file that only its owner can read.
    func write(_ text: String, to name: String) throws -> String {
        let path = scratch.file(name)
        try FileSystem.writeAtomically(path, Array(text.utf8))
        return path
    }

    /// Writes the config file where it is looked for by default.
    func writeConfig(_ text: String) throws {
        try FileSystem.makeDirectories(configDirectory)
        try FileSystem.writeAtomically(configDirectory + "/config.yaml", Array(text.utf8))
    }
}

/// A run that had to succeed and did not.
struct UnexpectedExit: Error {
    let result: CommandResult
}

/// The document a run with `--json` writes on failure.
struct FailureDocument: Decodable, Equatable {
    struct Content: Decodable, Equatable {
        var code: String
        var message: String
        var hint: String
    }

    var error: Content
}

extension CommandResult {
    /// Standard output read as exactly one JSON document.
    func document<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try JSONDecoder().decode(type, from: Data(outputBytes))
    }

    /// The lines on standard error.
    var errorLines: [Substring] { errors.split(separator: "\n") }
}
