import Domain
private import Glibc
import Platform

/// Runs programs, the pgkeep binary first of all, as a user and in an environment of its own.
///
/// Nothing of the tests' own environment is handed on but PATH: no PGHOST, no PGKEEP_VAULT.
public struct CommandRunner: Sendable {
    /// The user to run as, nil for the tests' own.
    public var user: String?
    /// Variables beyond PATH, HOME and LANG.
    public var environment: [String: String]
    /// The working directory.
    public var directory: String

    /// A runner; without arguments it runs as the tests' own user in `/`.
    public init(
        user: String? = nil,
        environment: [String: String] = [:],
        directory: String = "/"
    ) {
        self.user = user
        self.environment = environment
        self.directory = directory
    }

    /// A runner for what the server's user does.
    public static var asServer: CommandRunner { CommandRunner(user: ServerUser.name) }

    /// This runner with more variables.
    public func with(_ variables: [String: String]) -> CommandRunner {
        var copy = self
        copy.environment.merge(variables) { $1 }
        return copy
    }

    /// Starts a program (absolute path) in the background. It ends with the test process.
    public func start(
        _ program: String,
        _ arguments: [String] = [],
        input: [UInt8] = [],
        log: String? = nil
    ) throws -> RunningCommand {
        var variables = [
            "PATH": environmentValue("PATH") ?? "/usr/local/bin:/usr/bin:/bin",
            "HOME": "/nonexistent", "LANG": "C.UTF-8",
        ]
        variables.merge(environment) { $1 }
        return try RunningCommand(
            launch: Launch(
                program: program,
                arguments: arguments,
                environment: variables,
                user: user,
                directory: directory,
                input: input,
                log: log
            )
        )
    }

    /// Runs a program (absolute path) to its end; killed after `seconds`, which throws.
    public func run(
        _ program: String,
        _ arguments: [String] = [],
        input: [UInt8] = [],
        seconds: Double = 600
    ) throws -> CommandResult {
        let command = try start(program, arguments, input: input)
        if let result = command.wait(seconds: seconds) { return result }
        let result = command.kill()
        throw PgkeepError(
            .unexpected,
            "\(command.title) did not end in \(Int(seconds)) s",
            hint: result.errors
        )
    }

    /// Runs a program and throws, with what it wrote, unless it succeeds; returns its output.
    @discardableResult
    public func check(
        _ program: String,
        _ arguments: [String] = [],
        input: [UInt8] = [],
        seconds: Double = 600
    ) throws -> String {
        let result = try run(program, arguments, input: input, seconds: seconds)
        guard result.succeeded else {
            throw PgkeepError(
                .unexpected,
                "\(program) \(arguments.joined(separator: " ")): exit \(result.exitCode): "
                    + result.errors + result.output
            )
        }
        return result.trimmedOutput
    }

    /// Runs pgkeep to its end.
    public func pgkeep(
        _ arguments: [String],
        input: [UInt8] = [],
        seconds: Double = 600
    ) throws -> CommandResult {
        try run(Self.pgkeepBinary.get(), arguments, input: input, seconds: seconds)
    }

    /// Starts pgkeep in the background.
    public func startPgkeep(_ arguments: [String]) throws -> RunningCommand {
        try start(Self.pgkeepBinary.get(), arguments)
    }

    /// The pgkeep binary under test: `PGKEEP_BINARY`, or the one beside the test bundle.
    ///
    /// A server's `restore_command` names it, so it must be runnable by the server's user: when a
    /// directory above it is closed to others, a copy is used that is not.
    public static let pgkeepBinary: Result<String, any Error> = Result {
        let built = try builtBinary()
        guard ServerUser.name != nil else { return built }
        if (try? asServer.run(built, ["--version"]).succeeded) == true { return built }
        let scratch = try ScratchDirectory()
        binaryCopy.change { $0 = scratch }
        let copy = scratch.file("pgkeep")
        try FileSystem.writeAtomically(copy, FileSystem.readFile(built), mode: 0o755)
        chmod(copy, 0o755)
        return copy
    }

    private static let binaryCopy = Condition<ScratchDirectory?>(nil)

    private static func builtBinary() throws -> String {
        if let named = environmentValue("PGKEEP_BINARY") {
            let path = FileSystem.absolute(named)
            if try FileSystem.info(path) != nil { return FileSystem.resolved(path) ?? path }
        }
        guard let program = FileSystem.resolved("/proc/self/exe"),
            let directory = FileSystem.parent(of: program)
        else { throw PgkeepError(.notFound, "/proc is not mounted") }
        let path = directory + "/pgkeep"
        guard try FileSystem.info(path) != nil else {
            throw PgkeepError(.notFound, "no pgkeep beside \(program)", hint: "make build")
        }
        return path
    }
}
