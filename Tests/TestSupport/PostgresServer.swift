import Domain
private import Glibc
import Platform

/// A real PostgreSQL server for one test: initialised, started, stopped and, when a test wants it,
/// killed.
///
/// The postmaster is a child of the test process and reaped by it: elsewhere a killed one can stay
/// a zombie for seconds, and its lock file then looks alive to the next start. It listens on a
/// socket in its scratch directory and on a free port of 127.0.0.1, runs with `fsync=off` (killed
/// processes lose nothing the kernel has) and is stopped when the scratch directory ends.
public final class PostgresServer: @unchecked Sendable {
    /// How a new server is initialised.
    public struct Options: Sendable {
        /// `initdb --wal-segsize`, megabytes.
        public var segmentMegabytes = 16
        /// Page checksums.
        public var checksums = true
        /// `initdb --allow-group-access`.
        public var groupAccess = false
        /// The locale of the databases.
        public var locale = "C.UTF-8"
        /// Puts postgresql.conf, pg_hba.conf and pg_ident.conf into a directory beside the data.
        public var configurationOutside = false
        /// Lines for postgresql.conf, beyond those every server here gets.
        public var settings: [String: String] = [:]
        /// Further arguments for initdb.
        public var initdbArguments: [String] = []
        /// Variables the server runs with.
        public var environment: [String: String] = [:]

        /// The defaults: 16 MB segments, checksums, UTF-8.
        public init(settings: [String: String] = [:]) { self.settings = settings }
    }

    /// How a server is stopped.
    public enum StopMode: Int32, Sendable {
        /// SIGTERM: waits for clients.
        case smart = 15
        /// SIGINT: ends sessions, writes the shutdown checkpoint.
        case fast = 2
        /// SIGQUIT: recovery at the next start.
        case immediate = 3
    }

    /// The programs it runs from.
    public let installation: PostgresInstallation
    /// The data directory.
    public let dataDirectory: String
    /// Where the configuration files are: the data directory unless asked otherwise.
    public let configurationDirectory: String
    /// The directory of its socket.
    public let socketDirectory: String
    /// Its port, the same over all restarts.
    public let port: Int
    /// The file its log goes to.
    public let logPath: String
    /// The scratch directory that ends it.
    public private(set) weak var scratch: ScratchDirectory?
    private let process = Condition<RunningCommand?>(nil)
    private var environment: [String: String] = [:]

    /// The major version.
    public var major: Int { installation.major }
    /// The process id of the postmaster, nil when it does not run.
    public var pid: Int32? { running?.pid }
    /// Whether the postmaster runs.
    public var isRunning: Bool { running != nil }

    private var running: RunningCommand? {
        process.read { $0.flatMap { $0.isRunning ? $0 : nil } }
    }

    /// Takes an existing data directory, for example a restored one; does not start it.
    public init(
        _ installation: PostgresInstallation,
        dataDirectory: String,
        in scratch: ScratchDirectory,
        configurationDirectory: String? = nil
    ) throws {
        self.installation = installation
        self.dataDirectory = dataDirectory
        self.configurationDirectory = configurationDirectory ?? dataDirectory
        self.scratch = scratch
        let work = scratch.unusedPath("pg")
        try FileSystem.makeDirectories(work, mode: 0o755)
        try ServerUser.own(work)
        socketDirectory = work
        logPath = work + "/log"
        try FileSystem.writeAtomically(logPath, [])
        try ServerUser.own(logPath)
        port = try Self.freePort()
        scratch.atEnd { [process] in
            guard let command = process.read({ $0 }), command.isRunning else { return }
            command.signal(StopMode.immediate.rawValue)
            if command.wait(seconds: 30) == nil { command.kill() }
        }
    }

    /// Makes a new data directory in `scratch` and starts the server. Those in one directory all
    /// have their own system identifier; those in different ones may share it.
    public static func create(
        _ installation: PostgresInstallation,
        in scratch: ScratchDirectory,
        options: Options = Options()
    ) throws -> PostgresServer {
        let data = scratch.unusedPath("data")
        try FileSystem.makeDirectories(data)
        try ServerUser.own(data)
        var arguments = [
            "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale", options.locale,
            "--wal-segsize", "\(options.segmentMegabytes)",
        ]
        if options.checksums {
            arguments.append("--data-checksums")
        } else if installation.major >= 18 {
            arguments.append("--no-data-checksums")
        }
        if options.groupAccess { arguments.append("--allow-group-access") }
        // Of several servers in one directory only the first is a copy: they may have to differ.
        try InitializedData.make(
            data,
            installation,
            arguments + options.initdbArguments,
            isCopy: data.hasSuffix("/data")
        )
        let outside = try options.configurationOutside ? moveConfiguration(data, scratch) : nil
        let server = try PostgresServer(
            installation,
            dataDirectory: data,
            in: scratch,
            configurationDirectory: outside
        )
        var settings = [
            "wal_level": "replica", "max_wal_senders": "10", "max_replication_slots": "10",
            "max_connections": "50", "shared_buffers": "32MB", "log_line_prefix": "'%m [%p] %a '",
            "min_wal_size": "\(options.segmentMegabytes * 2)MB",
        ]
        settings.merge(options.settings) { $1 }
        try server.addSettings(settings)
        server.environment = options.environment
        try server.start()
        return server
    }

    /// Runs `body` with a new server in a scratch directory of its own; all of it is gone
    /// afterwards.
    public static func with<Result>(
        _ installation: PostgresInstallation,
        options: Options = Options(),
        _ body: (PostgresServer, ScratchDirectory) throws -> Result
    ) throws -> Result {
        try ScratchDirectory.with { scratch in
            try body(create(installation, in: scratch, options: options), scratch)
        }
    }

    /// Appends lines to postgresql.conf; they count from the next start or `reload`.
    public func addSettings(_ settings: [String: String]) throws {
        let lines = settings.sorted { $0.key < $1.key }.map { "\($0.key) = \($0.value)\n" }
        try appendConfiguration("postgresql.conf", lines.joined())
    }

    /// Replaces pg_hba.conf; counts from the next `reload`.
    public func setHostAccess(_ lines: [String]) throws {
        let path = configurationDirectory + "/pg_hba.conf"
        try FileSystem.writeAtomically(path, Array((lines.joined(separator: "\n") + "\n").utf8))
        try ServerUser.own(path)
    }

    /// Appends to one of the configuration files.
    public func appendConfiguration(_ name: String, _ text: String) throws {
        let file = try File(configurationDirectory + "/" + name, .update)
        let size = try file.size()
        try Array(text.utf8).withUnsafeBytes { try file.write($0, at: size) }
    }

    /// Makes the server read its configuration again.
    public func reload() throws { try psql("select pg_reload_conf()") }

    /// Starts the server and waits until it accepts connections (or, with hot standby off, until it
    /// follows). `arguments` go to `postgres`. Throws with the log when it ends instead.
    public func start(_ arguments: [String] = [], seconds: Double = 120) throws {
        precondition(!isRunning, "already started")
        let logged = logText.utf8.count
        let command = try launch(arguments)
        try waitUntil("the server is ready, log: \(logPath)", seconds: seconds) {
            if command.result != nil {
                let log = String(decoding: logText.utf8.dropFirst(logged), as: UTF8.self)
                throw PgkeepError(
                    .unexpected,
                    "PostgreSQL \(major) ended while starting: \(log)"
                )
            }
            return status == "ready" || status == "standby"
        }
    }

    /// Starts the postmaster without waiting for anything: for servers that are to fail.
    @discardableResult
    public func launch(_ arguments: [String] = []) throws -> RunningCommand {
        let command = try CommandRunner.asServer.with(environment).start(
            installation.program("postgres"),
            [
                "-D", configurationDirectory, "-F", "-k", socketDirectory, "-p", "\(port)",
                "-c", "listen_addresses=127.0.0.1",
            ] + arguments,
            log: logPath
        )
        process.change { $0 = command }
        return command
    }

    /// Stops the server and waits for its end.
    public func stop(_ mode: StopMode = .fast, seconds: Double = 120) throws {
        guard let running else { return }
        running.signal(mode.rawValue)
        guard running.wait(seconds: seconds) != nil else {
            throw PgkeepError(.unexpected, "the server did not stop in \(Int(seconds)) s")
        }
    }

    /// Stops and starts.
    public func restart(_ mode: StopMode = .fast) throws {
        try stop(mode)
        try start()
    }

    /// Kills the postmaster and all its processes with SIGKILL at one moment, as a crash of the
    /// machine would, and waits until none is left that could still write.
    public func kill() throws {
        guard let running else { return }
        // Stopped first, it cannot start another child while its children are counted.
        running.signal(SIGSTOP)
        let children = Self.children(of: running.pid)
        running.signal(SIGKILL)
        for child in children { _ = Glibc.kill(child, SIGKILL) }
        running.wait()
        try waitUntil("the server's processes are gone") {
            children.allSatisfy { Self.processState($0) == nil }
        }
    }

    /// Waits for the end of a server that ends by itself.
    public func waitForEnd(seconds: Double = 120) throws {
        let command = process.read { $0 }
        try waitUntil("the server ends", seconds: seconds) { command?.isRunning != true }
    }

    /// All it has logged.
    public var logText: String {
        String(decoding: (try? FileSystem.readFile(logPath)) ?? [], as: UTF8.self)
    }

    /// The state in postmaster.pid, if it was written by the running postmaster.
    private var status: String? {
        guard let pid, let bytes = try? FileSystem.readFile(dataDirectory + "/postmaster.pid")
        else {
            return nil
        }
        let lines = String(decoding: bytes, as: UTF8.self).split(
            separator: "\n",
            omittingEmptySubsequences: false
        )
        guard lines.count >= 8, lines[0] == "\(pid)" else { return nil }
        return lines[7].split(separator: " ").first.map(String.init)
    }

    private static func moveConfiguration(
        _ data: String,
        _ scratch: ScratchDirectory
    ) throws -> String {
        let outside = scratch.unusedPath("etc")
        try FileSystem.makeDirectories(outside, mode: 0o755)
        try ServerUser.own(outside)
        for name in ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"] {
            try FileSystem.rename("\(data)/\(name)", to: "\(outside)/\(name)")
        }
        let file = try File(outside + "/postgresql.conf", .update)
        let size = try file.size()
        try Array("data_directory = '\(data)'\n".utf8).withUnsafeBytes {
            try file.write($0, at: size)
        }
        return outside
    }
}
