import Domain
import Platform
import Postgres
import Vaulting

/// Asks a running copy whether it is what it should be: the operator's files, and `pg_amcheck`.
struct DrillChecks {
    private let context: JobContext
    private let scratch: DrillScratch
    private let programs: String
    private let account: UserAccount
    /// The role that may do everything in the copy.
    private let role: String

    static let port = 5432
    private static let applicationName = "pgkeep drill"

    /// Finds the copy's superuser by logging in as one of those who may be there.
    ///
    /// Throws `.drillUnsound` when none of them may.
    init(
        _ context: JobContext,
        _ scratch: DrillScratch,
        programs: String,
        account: UserAccount,
        instance: InstanceRecord
    ) throws {
        self.context = context
        self.scratch = scratch
        self.programs = programs
        self.account = account
        let named = (try? ConnectionSettings(instance.source))?.value("user")
        var last: (any Error)?
        for user in [named, "postgres", account.name].compactMap({ $0 }) {
            for database in ["postgres", "template1"] {
                do {
                    let connection = try Self.open(scratch, user, database, context.token)
                    role =
                        try connection.query(
                            "SELECT rolname FROM pg_catalog.pg_roles WHERE oid = 10"
                        ).first ?? user
                    connection.close()
                    return
                } catch {
                    try context.token.check()
                    last = error
                }
            }
        }
        throw PgkeepError(
            .drillUnsound,
            "nobody can log in to the copy",
            hint: "restore by hand and read the copy's log",
            cause: last
        )
    }

    /// Runs the checks one after the other, also behind one that fails; `pg_amcheck` first where
    /// it is installed and wanted. Throws `.cancelled`.
    func run(_ checks: [DrillOptions.Check], looksAtPages: Bool) throws -> [Drill.Check] {
        var results: [Drill.Check] = []
        if looksAtPages, try hasAmcheck() {
            context.meter.note("pg_amcheck")
            results.append(try measured(Drill.Check(name: "pg_amcheck", database: nil), amcheck))
        }
        for check in checks {
            context.meter.note(check.name)
            let result = Drill.Check(name: check.name, database: check.database)
            results.append(try measured(result) { try run(check) })
        }
        return results
    }

    /// Runs `body`, which says what is wrong; nil when nothing is.
    private func measured(_ check: Drill.Check, _ body: () throws -> String?) throws -> Drill.Check
    {
        var check = check
        let begun = context.clock.monotonicSeconds
        do {
            check.message = try body()
        } catch {
            try context.token.check()
            check.message = Self.words(error)
        }
        check.isPassed = check.message == nil
        check.seconds = context.clock.monotonicSeconds - begun
        return check
    }

    private func run(_ check: DrillOptions.Check) throws -> String? {
        let connection = try connect(check.database)
        defer { connection.close() }
        try connection.query("RESET search_path")
        let outcome = try context.token.whileCancellable({ connection.cancel() }) {
            try connection.runScript(check.sql)
        }
        guard let refusal = outcome.refusal else { return nil }
        let row = refusal.row.map { $0 ?? "NULL" }.joined(separator: ", ")
        return "statement \(refusal.statement) says false: \(row)"
    }

    // MARK: pg_amcheck

    /// True where both the program and the extension are there.
    private func hasAmcheck() throws -> Bool {
        guard try FileSystem.info(programs + "/pg_amcheck", followLinks: true) != nil else {
            return false
        }
        let connection = try connect("template1")
        defer { connection.close() }
        let found = try connection.query(
            "SELECT 1 FROM pg_catalog.pg_available_extensions WHERE name = 'amcheck'"
        )
        return found.first != nil
    }

    private func amcheck() throws -> String? {
        let program = AccountProgram(account: account)
        let arguments = [
            "--all", "--install-missing", "--no-password", "-h", scratch.directory, "-p",
            String(Self.port), "-U", role,
        ]
        let path = programs + "/pg_amcheck"
        let (data, log) = (scratch.data, scratch.directory + "/amcheck.log")
        let outcome = try waiting(cancelledBy: context.token) {
            try await program.run(path, arguments, in: data, log: log)
        }
        try context.token.check()
        return outcome.isSuccess ? nil : outcome.text.isEmpty ? "it failed" : outcome.text
    }

    // MARK: Connecting

    /// A session with the copy and nothing else: whatever variables say, its socket is named, and
    /// its data directory is looked at.
    private func connect(_ database: String) throws -> Connection {
        let connection = try Self.open(scratch, role, database, context.token)
        let directory = try connection.query("SHOW data_directory").first ?? ""
        guard FileSystem.resolved(directory) == FileSystem.resolved(scratch.data) else {
            throw PgkeepError(.unexpected, "the socket leads to another server than the copy")
        }
        return connection
    }

    private static func open(
        _ scratch: DrillScratch,
        _ user: String,
        _ database: String,
        _ token: CancellationToken
    ) throws -> Connection {
        let pairs = [
            ("host", scratch.directory), ("hostaddr", ""), ("port", String(port)), ("user", user),
            ("dbname", database), ("options", ""), ("sslmode", "disable"),
            ("target_session_attrs", "any"),
        ]
        let text = pairs.map { "\($0)=\(quoted($1))" }.joined(separator: " ")
        return try Connection(
            ConnectionSettings(text),
            kind: .sql,
            applicationName: applicationName,
            cancellation: token
        )
    }

    private static func quoted(_ value: String) -> String {
        "'" + value.map { $0 == "'" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "'"
    }

    private static func words(_ error: any Error) -> String {
        var parts = ["\(error)"]
        var cause = (error as? PgkeepError)?.cause
        while let inner = cause {
            let text = "\(inner)"
            if !parts.contains(where: { $0.contains(text) }) { parts.append(text) }
            cause = (inner as? PgkeepError)?.cause
        }
        return parts.joined(separator: ": ").split(whereSeparator: \.isNewline)
            .joined(separator: " ")
    }
}
