public import Domain
private import Glibc
import Platform

/// Speaking to the server, and the programs PostgreSQL brings along: load, standbys, oracles.
extension PostgresServer {
    /// libpq connection string over the socket; any local user may use it.
    public var conninfo: String { conninfo(user: "postgres") }

    /// libpq connection string over the socket for a role and database.
    public func conninfo(user: String, database: String = "postgres") -> String {
        "host=\(socketDirectory) port=\(port) user=\(quoted(user)) dbname=\(quoted(database))"
    }

    /// libpq connection string over TCP.
    public func tcpConninfo(user: String = "postgres", database: String = "postgres") -> String {
        "host=127.0.0.1 port=\(port) user=\(quoted(user)) dbname=\(quoted(database))"
    }

    /// A value of a connection string: plain names stay as they are.
    private func quoted(_ name: String) -> String {
        if name.utf8.allSatisfy({ (97...122).contains($0) || $0 == UInt8(ascii: "_") }) {
            return name
        }
        var text = "'"
        for character in name {
            if "'\\".contains(character) { text += "\\" }
            text.append(character)
        }
        return text + "'"
    }

    /// Runs statements; returns rows as psql -At prints them: fields by `|`, rows by newline.
    /// Throws on the first error.
    @discardableResult
    public func psql(_ sql: String, database: String = "postgres") throws -> String {
        try CommandRunner.asServer.check(
            installation.program("psql"),
            psqlArguments(database),
            input: Array(sql.utf8)
        )
    }

    /// As `psql`, but gives the result whatever it is.
    public func tryPsql(_ sql: String, database: String = "postgres") throws -> CommandResult {
        try CommandRunner.asServer.run(
            installation.program("psql"),
            psqlArguments(database),
            input: Array(sql.utf8)
        )
    }

    /// Starts psql in the background with statements, for sessions that block or hold something.
    public func startPsql(_ sql: String, database: String = "postgres") throws -> RunningCommand {
        try CommandRunner.asServer.start(
            installation.program("psql"),
            psqlArguments(database),
            input: Array(sql.utf8)
        )
    }

    private func psqlArguments(_ database: String) -> [String] {
        [
            "-XqAt", "-v", "ON_ERROR_STOP=1",
            "-d", conninfo(user: "postgres", database: database), "-f", "-",
        ]
    }

    /// Runs one of the server's own programs as the server's user, for example `pg_verifybackup`.
    public func run(_ tool: String, _ arguments: [String]) throws -> CommandResult {
        try CommandRunner.asServer.run(installation.program(tool), arguments)
    }

    /// As `run`, throws unless it succeeds, and returns its output.
    @discardableResult
    public func check(_ tool: String, _ arguments: [String]) throws -> String {
        try CommandRunner.asServer.check(installation.program(tool), arguments)
    }

    /// Lets pg_amcheck judge all databases, indexes against heaps included; throws with its words
    /// when it finds damage. False when this server has no amcheck (PostgreSQL 16 of the wheel).
    public func amcheck() throws -> Bool {
        guard installation.hasExtension("amcheck") else { return false }
        try check(
            "pg_amcheck",
            [
                "--all", "--install-missing", "--heapallindexed", "-h", socketDirectory,
                "-p", "\(port)", "-U", "postgres",
            ]
        )
        return true
    }

    /// Where the server writes at this moment.
    public func currentLSN() throws -> LSN {
        let text = try psql("select pg_current_wal_flush_lsn()")
        guard let lsn = LSN(text) else { throw PgkeepError(.unexpected, "no LSN: \(text)") }
        return lsn
    }

    /// The database system identifier.
    public func systemIdentifier() throws -> UInt64 {
        let text = try psql("select system_identifier from pg_control_system()")
        guard let value = UInt64(text) else {
            throw PgkeepError(.unexpected, "no system identifier: \(text)")
        }
        return value
    }

    /// Creates a tablespace in a directory of its own; returns the directory.
    @discardableResult
    public func createTablespace(_ name: String) throws -> String {
        guard let scratch else { preconditionFailure("the scratch directory has ended") }
        let path = scratch.unusedPath("tablespace-\(name)")
        try FileSystem.makeDirectories(path)
        try ServerUser.own(path)
        try psql("create tablespace \"\(name)\" location '\(path)'")
        return path
    }

    /// Fills the pgbench tables, 100,000 accounts for each `scale`.
    public func pgbenchInit(scale: Int = 1, _ arguments: [String] = []) throws {
        try check("pgbench", ["-i", "-q", "-s", "\(scale)"] + arguments + [conninfo])
    }

    /// Starts pgbench's own transactions in the background; ends with `interrupt` or the test.
    public func startPgbench(clients: Int = 2, _ arguments: [String] = []) throws -> RunningCommand
    {
        try CommandRunner.asServer.start(
            installation.program("pgbench"),
            ["-n", "-c", "\(clients)", "-j", "1", "-T", "86400"] + arguments + [conninfo]
        )
    }

    /// Runs pgbench's transactions to their end.
    public func runPgbench(clients: Int = 2, transactions: Int, _ arguments: [String] = []) throws {
        try check(
            "pgbench",
            ["-n", "-c", "\(clients)", "-j", "1", "-t", "\(transactions)"] + arguments + [conninfo]
        )
    }

    /// pgbench's invariant, true at every committed instant: the balances of accounts, tellers and
    /// branches and the history's changes have the same sum. The sums, in that order.
    public func pgbenchSums() throws -> [Int64] {
        let text = try psql(
            """
            select (select coalesce(sum(abalance), 0) from pgbench_accounts),
                (select coalesce(sum(tbalance), 0) from pgbench_tellers),
                (select coalesce(sum(bbalance), 0) from pgbench_branches),
                (select coalesce(sum(delta), 0) from pgbench_history)
            """
        )
        return text.split(separator: "|").compactMap { Int64($0) }
    }

    /// Makes a standby of this server (pg_basebackup -R) and starts it. Tablespaces are not mapped.
    public func createStandby(
        settings: [String: String] = [:],
        slot: String? = nil
    ) throws -> PostgresServer {
        guard let scratch else { preconditionFailure("the scratch directory has ended") }
        let data = scratch.unusedPath("standby")
        var arguments = [
            "-D", data, "-d", conninfo, "-R", "-X", "stream", "-c", "fast", "--no-sync",
        ]
        try FileSystem.makeDirectories(data)
        try ServerUser.own(data)
        if let slot { arguments += ["-C", "-S", slot] }
        try check("pg_basebackup", arguments)
        let standby = try PostgresServer(installation, dataDirectory: data, in: scratch)
        try standby.addSettings(settings)
        try standby.start()
        return standby
    }

    /// Promotes a standby and waits until it accepts writes; returns its new timeline.
    @discardableResult
    public func promote() throws -> Int {
        try psql("select pg_promote(true, 60)")
        try waitUntil("the standby is promoted") {
            try psql("select pg_is_in_recovery()") == "f"
        }
        // The control file may still tell the old timeline; the name of the WAL file does not.
        let name = try psql("select pg_walfile_name(pg_current_wal_lsn())")
        guard let timeline = Int(name.prefix(8), radix: 16) else {
            throw PgkeepError(.unexpected, "no WAL file name: \(name)")
        }
        return timeline
    }

    /// Waits until a standby has replayed all that `primary` has written.
    public func catchUp(with primary: PostgresServer) throws {
        let target = try primary.currentLSN()
        try waitUntil("the standby has replayed \(target)") {
            LSN(try psql("select pg_last_wal_replay_lsn()")).map { $0 >= target } ?? false
        }
    }
}
