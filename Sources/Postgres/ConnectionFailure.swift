package import Domain

/// Why no connection came about, read from libpq's text: the code and the exact line that helps.
///
/// The text is libpq's verbose one, so that the server's SQLSTATE stands in it whatever language
/// the server speaks: `…failed: FATAL:  28P01: password authentication failed…`.
package struct ConnectionFailure {
    private let text: String
    private let sqlstates: [String]
    private let role: String
    private let database: String
    private let kind: Connection.Kind
    private let target: String

    /// Reads libpq's text.
    package init(text: String, settings: ConnectionSettings, kind: Connection.Kind) {
        let lines = text.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("LOCATION:") }
        sqlstates = lines.compactMap(Self.sqlstate)
        self.text = oneLine(lines.map(Self.withoutState).joined(separator: "; "))
        role = settings.user
        database = settings.effective("dbname") ?? role
        self.kind = kind
        target = settings.redacted
    }

    /// The five characters between "SEVERITY:  " and ": ", if the line has them.
    private static func sqlstate(_ line: Substring) -> String? {
        let words = line.split(separator: " ")
        let code = words.first { word in
            word.utf8.count == 6 && word.hasSuffix(":")
                && word.utf8.dropLast().allSatisfy {
                    (48...57).contains($0) || (65...90).contains($0)
                } && word.utf8.contains { (48...57).contains($0) }
        }
        return code.map { String($0.dropLast()) }
    }

    private static func withoutState(_ line: Substring) -> String {
        guard let state = sqlstate(line) else { return String(line) }
        return line.split(separator: " ").filter { $0 != "\(state):" }.joined(separator: " ")
    }

    /// The error to throw.
    package var error: PgkeepError {
        let (code, hint) = verdict
        let cause = PostgresError(sqlstate: sqlstates.last ?? "", message: text)
        return PgkeepError(code, "cannot connect to the server", hint: hint, cause: cause)
    }

    private var verdict: (ErrorCode, String) {
        if text.contains("pg_hba.conf") {
            return (
                .sourceAuthentication,
                "add to pg_hba.conf, then run SELECT pg_reload_conf(): \(hbaLine)"
            )
        }
        for state in sqlstates.reversed() {
            if let verdict = verdict(ofState: state) { return verdict }
        }
        if text.contains("password") {
            return (
                .sourceAuthentication,
                "put the password of \(role) in ~/.pgpass (mode 0600) or name passfile= or service="
            )
        }
        if text.contains("certificate") || text.contains("SSL") {
            return (.sourceUnreachable, "check sslmode, sslrootcert, sslcert and sslkey")
        }
        return (
            .sourceUnreachable,
            target.isEmpty
                ? "name the server: host=… port=… user=…"
                : "check that the server runs and can be reached as \(target)"
        )
    }

    private func verdict(ofState state: String) -> (ErrorCode, String)? {
        switch state {
        case "28P01":
            (
                .sourceAuthentication,
                "check the password of \(role) in ~/.pgpass or the passfile of the connection"
            )
        case "28000":
            (
                .sourceAuthentication,
                "create the role: CREATE ROLE \(quotedRole) LOGIN REPLICATION PASSWORD '…';"
            )
        case "42501" where kind == .physicalReplication:
            (.sourcePrivilege, "run as a superuser: ALTER ROLE \(quotedRole) REPLICATION;")
        case "42501":
            (.sourcePrivilege, "run as a superuser: GRANT CONNECT ON DATABASE … TO \(quotedRole);")
        case "3D000":
            (.sourceUnreachable, "name a database that exists: dbname=postgres")
        case "53300" where kind == .physicalReplication:
            (
                .sourceSetting,
                "set in postgresql.conf, then restart the server: max_wal_senders = 10"
            )
        case "53300":
            (.sourceSetting, "raise max_connections, or close other sessions")
        case "57P03":
            (.sourceUnreachable, "the server is starting or stopping: wait, then run it again")
        default: nil
        }
    }

    private var quotedRole: String {
        let isPlain = role.utf8.allSatisfy {
            (97...122).contains($0) || (48...57).contains($0) || $0 == 95
        }
        return isPlain && role.utf8.first.map { !(48...57).contains($0) } ?? false
            ? role : SQL.identifier(role)
    }

    /// The pg_hba.conf line that lets us in, with the address as the server saw it.
    private var hbaLine: String {
        let database = kind == .physicalReplication ? "replication" : self.database
        guard let mark = text.indexBehind("host \"") else {
            return "host \(database) \(role) samehost scram-sha-256"
        }
        let address = text[mark...].prefix { $0 != "\"" }
        if address == "[local]" { return "local \(database) \(role) scram-sha-256" }
        let bits = address.contains(":") ? 128 : 32
        return "host \(database) \(role) \(address)/\(bits) scram-sha-256"
    }
}

extension PgkeepError {
    /// True when nobody listens where the server should be, or it is just starting or stopping: the
    /// host answers, the server does not run.
    ///
    /// A host out of reach is something else: nothing is known of the server then.
    package var tellsServerIsStopped: Bool {
        guard code == .sourceUnreachable, let postgres else { return false }
        if postgres.sqlstate == "57P03" { return true }
        let text = postgres.message
        let isRefused = ["Connection refused", "No such file or directory"].contains {
            text.contains($0)
        }
        // Of several hosts one may be refused and another one out of reach.
        return isRefused
            && !["timeout", "timed out", "translate host name", "No route"].contains {
                text.contains($0)
            }
    }
}

extension String {
    /// The index just behind the first occurrence of `text`; nil when there is none.
    fileprivate func indexBehind(_ text: String) -> Index? {
        var rest = self[...]
        while !rest.isEmpty {
            if rest.hasPrefix(text) { return rest.index(rest.startIndex, offsetBy: text.count) }
            rest = rest.dropFirst()
        }
        return nil
    }
}
