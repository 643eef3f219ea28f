import Domain
private import Glibc
import Platform

/// A directory for one test, removed at its end together with everything started in it.
///
/// Its name carries the process id, so that what a crashed run left is swept by the next one. All
/// users may enter it: servers run as `postgres` when the tests run as root.
public final class ScratchDirectory: @unchecked Sendable {
    /// The absolute path, short enough for sockets beneath it.
    public let path: String
    private let state = Condition(State())

    private struct State {
        var endings: [() throws -> Void] = []
        var isClosed = false
        var numbers: [String: Int] = [:]
    }

    private static let counter = Condition(0)
    private static let prefix = "pgkeep-test-"
    private static let base: String = {
        let base = environmentValue("PGKEEP_TEST_SCRATCH") ?? "/tmp"
        sweep(base)
        return base
    }()

    /// Creates an empty directory. Prefer `with`, which also ends it when the test throws.
    public init() throws {
        let number = Self.counter.change { value in
            value += 1
            return value
        }
        path = "\(Self.base)/\(Self.prefix)\(getpid())-\(number)"
        try FileSystem.removeTree(path)
        try FileSystem.makeDirectories(path, mode: 0o755)
        chmod(path, 0o755)
    }

    deinit { try? close() }

    /// Runs `body` with a fresh directory and ends it afterwards, whatever happened.
    public static func with<Result>(_ body: (ScratchDirectory) throws -> Result) throws -> Result {
        let scratch = try ScratchDirectory()
        let result: Result
        do {
            result = try body(scratch)
        } catch {
            try? scratch.close()
            throw error
        }
        try scratch.close()
        return result
    }

    /// Does `ending` when the directory ends; the last one registered comes first.
    public func atEnd(_ ending: @escaping () throws -> Void) {
        state.change { $0.endings.append(ending) }
    }

    /// Runs the endings, then removes the directory. A second call does nothing.
    public func close() throws {
        let endings = state.change { state -> [() throws -> Void] in
            guard !state.isClosed else { return [] }
            state.isClosed = true
            defer { state.endings = [] }
            return state.endings.reversed()
        }
        var failure: (any Error)?
        for ending in endings {
            do { try ending() } catch { failure = failure ?? error }
        }
        // A killed server's children may create their last file while the tree is being removed.
        for _ in 0..<50 {
            do {
                try FileSystem.removeTree(path)
                break
            } catch { usleep(20_000) }
        }
        if let failure { throw failure }
    }

    /// The path of `name` in here; nothing is created.
    public func file(_ name: String) -> String { path + "/" + name }

    /// A path in here that no earlier call has returned: `name`, `name-2`, …
    public func unusedPath(_ name: String) -> String {
        let number = state.change { state -> Int in
            state.numbers[name, default: 0] += 1
            return state.numbers[name, default: 1]
        }
        return file(number == 1 ? name : "\(name)-\(number)")
    }

    /// Creates a directory in here that belongs to the tests' own user.
    public func directory(_ name: String, mode: UInt32 = 0o700) throws -> String {
        try FileSystem.makeDirectories(file(name), mode: mode)
        return file(name)
    }

    /// Creates a directory in here that belongs to the user servers run as.
    public func serverDirectory(_ name: String, mode: UInt32 = 0o700) throws -> String {
        let path = try directory(name, mode: mode)
        try ServerUser.own(path)
        return path
    }

    /// Removes what test processes that no longer live have left behind.
    private static func sweep(_ base: String) {
        for name in (try? FileSystem.list(base)) ?? [] where name.hasPrefix(prefix) {
            let digits = name.dropFirst(prefix.count).prefix { $0 != "-" }
            guard let pid = Int32(digits), kill(pid, 0) != 0, errno == ESRCH else { continue }
            try? FileSystem.removeTree(base + "/" + name)
        }
    }
}

/// The user servers run as: `postgres` when the tests run as root, else the tests' own user.
public enum ServerUser {
    /// The name to drop to, nil when there is nothing to drop.
    public static let name: String? = getuid() == 0 ? "postgres" : nil

    /// Gives a file or directory (not what is in it) to the server's user.
    public static func own(_ path: String) throws {
        guard let name else { return }
        guard let entry = getpwnam(name) else {
            throw PgkeepError(.notFound, "no user \(name) on this machine", hint: "make setup")
        }
        guard chown(path, entry.pointee.pw_uid, entry.pointee.pw_gid) == 0 else {
            throw PgkeepError.system("chown", path)
        }
    }
}

/// The value of an environment variable, nil when unset or empty.
public func environmentValue(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
}
