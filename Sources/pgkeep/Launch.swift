import ArgumentParser
import Domain
import Platform

/// One run of the program, from its arguments to its exit code.
struct Launch {
    let arguments: [String]

    /// Parses, runs, and tells of a failure: two lines for people, with `--json` a document too.
    func run() -> Int32 {
        Signals.ignoreBrokenPipes()
        do {
            var command = try parse()
            try command.run()
            return ExitStatus.ok.rawValue
        } catch let code as ExitCode {
            return code.rawValue
        } catch {
            return finish(error)
        }
    }

    /// Recovery runs `wal fetch` once a segment: looking through the tree of all commands would
    /// take longer than opening the vault. What is wrong with its words is said by the tree.
    private func parse() throws -> any ParsableCommand {
        if arguments.starts(with: ["wal", "fetch"]),
            let fetch = try? WALFetchVerb.parse(Array(arguments.dropFirst(2)))
        {
            return fetch
        }
        return try Pgkeep.parseAsRoot(arguments)
    }

    private func finish(_ error: any Error) -> Int32 {
        guard let report = ErrorReport(error) else {
            // Help, version and completion scripts come as errors, and are no failures.
            Terminal.write(Pgkeep.fullMessage(for: error) + "\n", to: .output)
            return ExitStatus.ok.rawValue
        }
        let screen = Screen()
        for line in report.lines { screen.line(line) }
        if arguments.contains("--json") { Terminal.write(report.document, to: .output) }
        return isWALFetch ? Self.fetchStatus(report.exit) : report.exit
    }

    /// A `restore_command` may exit 1 only when the segment certainly does not exist: PostgreSQL
    /// takes that for the end of the archive, and everything from 126 on as a reason to stop.
    static func fetchStatus(_ exit: Int32) -> Int32 { 200 + min(exit, 55) }

    private var isWALFetch: Bool {
        zip(arguments, arguments.dropFirst()).contains { $0 == "wal" && $1 == "fetch" }
    }
}

extension ParsableCommand {
    /// Ends the process.
    static func exit(with status: Int32) -> Never { exit(withError: ExitCode(status)) }
}
