internal import CPlatform
public import Domain
internal import Glibc

/// A program started by this process: its lines, its end, and signals to it.
///
/// It runs in a process group of its own, so a terminal's Ctrl-C does not reach it, with no other
/// descriptor than its three streams. When the thread that started it ends, as all do when this
/// process is killed, the kernel sends it SIGTERM: nothing is left behind without a parent. So one
/// thread starts it and stays in `wait` until it has ended.
public final class ChildProcess: Sendable {
    /// How it ended.
    public enum End: Hashable, Sendable {
        /// By itself, with this code.
        case exited(Int32)
        /// By this signal.
        case killed(Int32)
    }

    /// Its process number.
    public let pid: Int32
    private let output: File
    private let errors: File
    // A number is the child's own only until it is reaped; signals are sent under the lock.
    private let isReaped = Condition(false)

    /// Bytes of a line; what is longer comes in pieces.
    public static let lineBytesMax = 1 << 16

    /// Starts `program`, an absolute path, with this process' variables and `variables`.
    ///
    /// Throws `.missingProgram` when it cannot be.
    public init(
        _ program: String,
        _ arguments: [String],
        variables: [String: String] = [:]
    ) throws(PgkeepError) {
        let (output, outputEnd) = try Self.pipe()
        let (errors, errorsEnd) = try Self.pipe()
        let words = CWords([program] + arguments)
        let settings = CWords(Self.environment(with: variables))
        let pid = pgkeep_spawn(
            program,
            words.pointer,
            settings.pointer,
            outputEnd.descriptor,
            errorsEnd.descriptor,
            SIGTERM
        )
        guard pid > 0 else {
            throw .system("start", program, errno: -pid, code: .missingProgram)
        }
        self.pid = pid
        self.output = output
        self.errors = errors
    }

    /// Sends it a signal; does nothing once it has ended.
    public func signal(_ number: Int32) {
        isReaped.read { if !$0 { _ = Glibc.kill(pid, number) } }
    }

    /// Kills it and everything in its process group; does nothing once it has ended.
    public func kill() {
        isReaped.read { if !$0 { _ = Glibc.kill(-pid, SIGKILL) } }
    }

    /// Its resident memory in bytes; nil once it has ended.
    public var residentBytes: UInt64? { isReaped.read { $0 ? nil : Self.residentBytes(of: pid) } }

    /// The resident memory of a process in bytes; nil when there is none of that number.
    public static func residentBytes(of pid: Int32) -> UInt64? {
        guard let bytes = try? FileSystem.readFile("/proc/\(pid)/statm") else { return nil }
        let fields = String(decoding: bytes, as: UTF8.self).split(separator: " ")
        guard fields.count > 1, let pages = UInt64(fields[1]) else { return nil }
        return pages * UInt64(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// Waits for its end, on the thread that started it; calls `line` with each line it writes to
    /// its standard error.
    ///
    /// Also gives what it wrote to standard output, at most `limit` bytes. Ended by a signal, it
    /// takes what is left of its process group along.
    public func wait(
        outputLimit limit: Int,
        _ line: (String) -> Void
    ) -> (end: End, output: [UInt8]) {
        let process = pgkeep_open_process(pid)
        defer { if process >= 0 { Glibc.close(process) } }
        var written: [UInt8] = []
        var lines = LineSplitter()
        var open = [output.descriptor, errors.descriptor]
        var hasEnded = false
        while !hasEnded || !open.isEmpty {
            hasEnded = hasEnded || hasStopped
            var waited = open.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            if process >= 0, !hasEnded {
                waited.append(pollfd(fd: process, events: Int16(POLLIN), revents: 0))
            }
            // What it wrote before its end is there already; others may hold the pipes open.
            let count = poll(
                &waited,
                nfds_t(waited.count),
                hasEnded ? 0 : process >= 0 ? -1 : Self.lookMilliseconds
            )
            if count == 0, hasEnded { break }
            for found in waited where found.revents != 0 && found.fd != process {
                let bytes = Self.read(found.fd)
                if bytes.isEmpty { open.removeAll { $0 == found.fd } }
                if found.fd == errors.descriptor {
                    lines.append(bytes, line)
                } else {
                    written += bytes.prefix(max(0, limit - written.count))
                }
            }
        }
        lines.finish(line)
        return (reap(), written)
    }

    /// Milliseconds between two looks where the kernel cannot tell of a process' end.
    private static let lookMilliseconds: Int32 = 200

    private var hasStopped: Bool {
        var information = siginfo_t()
        return waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT | WNOHANG) == 0
            && information.si_signo == SIGCHLD
    }

    private func reap() -> End {
        isReaped.change { isReaped in
            var information = siginfo_t()
            while waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {}
            if information.si_code != Int32(CLD_EXITED) { _ = Glibc.kill(-pid, SIGKILL) }
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0, errno == EINTR {}
            isReaped = true
            let number = status & 0x7f
            return number == 0 ? .exited((status >> 8) & 0xff) : .killed(number)
        }
    }

    private static func read(_ descriptor: Int32) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 1 << 14)
        var count: Int
        repeat {
            count = Glibc.read(descriptor, &bytes, bytes.count)
        } while count < 0
            && errno == EINTR
        return Array(bytes.prefix(max(0, count)))
    }

    private static func pipe() throws(PgkeepError) -> (reading: File, writing: File) {
        var ends: [Int32] = [0, 0]
        guard pgkeep_pipe(&ends) == 0 else {
            throw .system("make", "a pipe", code: .missingProgram)
        }
        return (File(adopting: ends[0], path: "pipe"), File(adopting: ends[1], path: "pipe"))
    }

    private static func environment(with variables: [String: String]) -> [String] {
        var all: [String] = []
        var next = pgkeep_environment()
        while let entry = next?.pointee {
            let text = String(cString: entry)
            if variables[String(text.prefix { $0 != "=" })] == nil { all.append(text) }
            next = next?.advanced(by: 1)
        }
        return all + variables.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    }
}

/// Cuts a stream of bytes into lines.
private struct LineSplitter {
    private var rest: [UInt8] = []

    mutating func append(_ bytes: [UInt8], _ line: (String) -> Void) {
        rest += bytes
        while let end = rest.firstIndex(of: 0x0a) {
            line(String(decoding: rest[..<end], as: UTF8.self))
            rest.removeSubrange(...end)
        }
        if rest.count >= ChildProcess.lineBytesMax { finish(line) }
    }

    mutating func finish(_ line: (String) -> Void) {
        guard !rest.isEmpty else { return }
        line(String(decoding: rest, as: UTF8.self))
        rest = []
    }
}

/// An array of C strings, ended by a null pointer, as exec wants it.
private final class CWords {
    let pointer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ words: [String]) {
        count = words.count
        pointer = .allocate(capacity: words.count + 1)
        pointer.initialize(repeating: nil, count: words.count + 1)
        for (index, word) in words.enumerated() { pointer[index] = strdup(word) }
    }

    deinit {
        // Variables may hold a passphrase.
        for index in 0..<count {
            guard let word = pointer[index] else { continue }
            pgkeep_wipe(word, strlen(word))
            free(word)
        }
        pointer.deallocate()
    }
}
