import Domain
private import Glibc
import Platform

/// How a program ended and what it wrote.
public struct CommandResult: Sendable {
    /// The exit code; 128 + number when a signal ended it, as shells count.
    public let exitCode: Int32
    /// The signal that ended it, if one did.
    public let signal: Int32?
    /// What it wrote to standard output.
    public let outputBytes: [UInt8]
    /// What it wrote to standard error, as text.
    public let errors: String
    /// The largest resident memory it or a child it waited for ever had. Never too small, but
    /// never below the test process's own size at the start, which the kernel counts in.
    public let peakMemoryBytes: UInt64
    /// User and system time it and its children used.
    public let cpuSeconds: Double

    /// Standard output as text.
    public var output: String { String(decoding: outputBytes, as: UTF8.self) }
    /// Ended with exit code 0.
    public var succeeded: Bool { exitCode == 0 }
    /// Standard output without the line ends at its end.
    public var trimmedOutput: String {
        var text = Substring(output)
        while text.last == "\n" { text.removeLast() }
        return String(text)
    }
}

/// A program that was started in the background: a child of this process.
///
/// Its output goes to unnamed files, not pipes: nothing waits for a daemon that keeps a descriptor,
/// and nothing is lost when nobody reads. A thread reaps it the moment it ends, so its process id
/// stays its own exactly as long as `signal` may use it.
public final class RunningCommand: Sendable {
    /// The process id.
    public let pid: Int32
    /// The command line, for messages.
    public let title: String
    private let ended: Condition<CommandResult?>
    private let output: File
    private let errors: File

    init(launch: Launch) throws {
        title = ([launch.program] + launch.arguments).joined(separator: " ")
        if let log = launch.log {
            output = try File(log, .update)
            errors = output
        } else {
            output = try Self.unnamedFile()
            errors = try Self.unnamedFile()
        }
        let started = Launcher.shared.start(launch, output: output, errors: errors)
        pid = try started.get()
        let ended = Condition<CommandResult?>(nil)
        self.ended = ended
        _ = Thread<Void>("reap") { [pid, output, errors, isLog = launch.log != nil] in
            // Wait without reaping first: the id must not become someone else's before `ended`
            // is set, and both happen under its lock.
            var information = siginfo_t()
            while waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {}
            ended.change { value in
                var status: Int32 = 0
                var usage = rusage()
                while wait4(pid, &status, 0, &usage) < 0, errno == EINTR {}
                value = CommandResult(
                    status: status,
                    usage: usage,
                    output: isLog ? [] : Self.content(output),
                    errors: isLog ? [] : Self.content(errors)
                )
            }
        }
    }

    /// The result once it has ended, nil while it runs.
    public var result: CommandResult? { ended.read { $0 } }

    /// True until it has ended.
    public var isRunning: Bool { result == nil }

    /// Waits for the end.
    @discardableResult
    public func wait() -> CommandResult { ended.wait { $0 } }

    /// Waits at most `seconds` for the end; nil when it still runs.
    public func wait(seconds: Double) -> CommandResult? { ended.wait(seconds: seconds) { $0 } }

    /// Sends a signal; does nothing when it has ended.
    public func signal(_ number: Int32) {
        ended.read { result in
            if result == nil { _ = Glibc.kill(pid, number) }
        }
    }

    /// Sends SIGKILL and waits for the end.
    @discardableResult
    public func kill() -> CommandResult {
        signal(SIGKILL)
        return wait()
    }

    /// Sends SIGINT (Ctrl-C) and waits; kills after `seconds`.
    @discardableResult
    public func interrupt(seconds: Double = 60) -> CommandResult {
        signal(SIGINT)
        return wait(seconds: seconds) ?? kill()
    }

    /// Sends SIGTERM and waits; kills after `seconds`.
    @discardableResult
    public func terminate(seconds: Double = 60) -> CommandResult {
        signal(SIGTERM)
        return wait(seconds: seconds) ?? kill()
    }

    /// Standard output so far.
    public var outputSoFar: String { String(decoding: Self.content(output), as: UTF8.self) }

    /// Standard error so far.
    public var errorsSoFar: String { String(decoding: Self.content(errors), as: UTF8.self) }

    /// Waits until `text` was written to either stream; throws when it ends or `seconds` pass
    /// first.
    public func waitForOutput(_ text: String, seconds: Double = 60) throws {
        try waitUntil("\(title) writes '\(text)'", seconds: seconds) {
            if outputSoFar.contains(text) || errorsSoFar.contains(text) { return true }
            if let result {
                throw PgkeepError(
                    .unexpected,
                    "\(title) ended with \(result.exitCode) without '\(text)'",
                    hint: result.errors
                )
            }
            return false
        }
    }

    private static func unnamedFile() throws -> File {
        var template = Array("/tmp/pgkeep-test-output-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw PgkeepError.system("create file in", "/tmp") }
        let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        unlink(path)
        return File(adopting: descriptor, path: path)
    }

    private static func content(_ file: File) -> [UInt8] {
        guard let size = try? file.size(), size > 0 else { return [] }
        var bytes = [UInt8](repeating: 0, count: Int(size))
        let count = bytes.withUnsafeMutableBytes { try? file.read(into: $0, at: 0) }
        return Array(bytes.prefix(count ?? 0))
    }
}

extension CommandResult {
    fileprivate init(status: Int32, usage: rusage, output: [UInt8], errors: [UInt8]) {
        let number = status & 0x7f
        signal = number == 0 ? nil : number
        exitCode = number == 0 ? (status >> 8) & 0xff : 128 + number
        outputBytes = output
        self.errors = String(decoding: errors, as: UTF8.self)
        peakMemoryBytes = UInt64(usage.ru_maxrss) * 1024
        cpuSeconds =
            Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
    }
}

/// Waits until `condition` holds; throws after `seconds`.
///
/// For states of other programs that announce nothing; never a measure of speed. Looks 50 times a
/// second at first and 10 times later: looking costs a program's start, and what is waited for
/// needs the processor too.
public func waitUntil(
    _ what: String,
    seconds: Double = 60,
    _ condition: () throws -> Bool
) throws {
    let clock = SystemClock()
    let end = clock.monotonicSeconds + seconds
    var pause: UInt32 = 20_000
    while try !condition() {
        guard clock.monotonicSeconds < end else {
            throw PgkeepError(.unexpected, "waited \(Int(seconds)) s in vain until \(what)")
        }
        usleep(pause)
        pause = min(pause * 5 / 4, 100_000)
    }
}
