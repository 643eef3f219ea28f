internal import CPostgres
internal import Domain
internal import Glibc
internal import Platform

/// The way from settings to an open libpq connection: parameters, waiting, and naming the failure.
///
/// It drives libpq's polling interface itself, because only that lets a connection attempt be
/// cancelled, and lets the verbosity be raised first so that failures carry their SQLSTATE.
struct ConnectionOpener {
    private let settings: ConnectionSettings
    private let kind: Connection.Kind
    private let applicationName: String
    private let token: CancellationToken?

    /// Seconds to wait for one host when nobody set connect_timeout.
    private static let defaultTimeout = 15.0

    /// What we want unless the settings say otherwise: a dead peer is noticed in about a minute,
    /// also while a base backup sends nothing of its own.
    private static let defaults = [
        ("keepalives", "1"), ("keepalives_idle", "30"), ("keepalives_interval", "10"),
        ("keepalives_count", "3"), ("tcp_user_timeout", "60000"),
    ]

    init(
        _ settings: ConnectionSettings,
        _ kind: Connection.Kind,
        _ applicationName: String,
        _ token: CancellationToken?
    ) {
        self.settings = settings
        self.kind = kind
        self.applicationName = applicationName
        self.token = token
    }

    /// Connects; the caller owns the connection.
    func open() throws(PgkeepError) -> OpaquePointer {
        let connection = try connection(withParameters([]) { PQconnectStartParams($0, $1, 1) })
        do throws(PgkeepError) {
            if try wait(for: connection) { return connection }
        } catch {
            PQfinish(connection)
            throw error
        }
        PQfinish(connection)
        guard hosts > 1 else {
            throw PgkeepError(
                .sourceUnreachable,
                "the server did not answer in time (\(settings.redacted))",
                hint: "check host, port and firewall, or raise connect_timeout"
            )
        }
        return try openHostByHost()
    }

    /// The polling interface cannot pass over a host that never answers; the blocking one can.
    private func openHostByHost() throws(PgkeepError) -> OpaquePointer {
        let timeout = [("connect_timeout", "\(max(2, Int(min(secondsPerHost, 600))))")]
        let connection = try connection(withParameters(timeout) { PQconnectdbParams($0, $1, 1) })
        guard PQstatus(connection) == CONNECTION_OK else {
            defer { PQfinish(connection) }
            throw failure(of: connection)
        }
        return connection
    }

    private func connection(_ made: OpaquePointer?) throws(PgkeepError) -> OpaquePointer {
        guard let made else {
            throw PgkeepError(.sourceUnreachable, "libpq has no memory for a connection")
        }
        return made
    }

    private func failure(of connection: OpaquePointer) -> PgkeepError {
        ConnectionFailure(
            text: String(cString: PQerrorMessage(connection)),
            settings: settings,
            kind: kind
        ).error
    }

    private var hosts: Int {
        let list = settings.effective("host") ?? settings.effective("hostaddr") ?? ""
        return list.split(separator: ",").count
    }

    /// libpq's own rule: 0 or less means to wait for ever.
    private var secondsPerHost: Double {
        settings.effective("connect_timeout").flatMap { Double($0) }
            .map { $0 > 0 ? $0 : .infinity } ?? Self.defaultTimeout
    }

    /// Later parameters win over earlier ones; `dbname` is where libpq expands the whole string.
    private var parameters: [(String, String)] {
        let ours =
            switch kind {
            case .sql: [("application_name", applicationName)]
            // libpq looks .pgpass up under the database name; the server ignores it.
            case .physicalReplication:
                [
                    ("application_name", applicationName), ("dbname", "replication"),
                    ("replication", "true"),
                ]
            }
        return Self.defaults + [("dbname", settings.conninfo), ("client_encoding", "UTF8")] + ours
    }

    private func withParameters<Result>(
        _ more: [(String, String)],
        _ body: (
            UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<UnsafePointer<CChar>?>
        ) -> Result
    ) -> Result {
        let keys = (parameters + more).map { strdup($0.0) }
        let values = (parameters + more).map { strdup($0.1) }
        defer { for text in keys + values { free(text) } }
        let end: [UnsafePointer<CChar>?] = [nil]
        return body(
            keys.map { UnsafePointer($0) } + end,
            values.map { UnsafePointer($0) } + end
        )
    }

    /// Waits until connected; false when the time is up.
    private func wait(for connection: OpaquePointer) throws(PgkeepError) -> Bool {
        PQsetErrorVerbosity(connection, PQERRORS_VERBOSE)
        let clock = SystemClock()
        let deadline = clock.monotonicSeconds + secondsPerHost
        // A connection that never began (no such service, bad option) must not be polled.
        var state =
            PQstatus(connection) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING
        while true {
            switch state {
            case PGRES_POLLING_OK: return true
            case PGRES_POLLING_FAILED: throw failure(of: connection)
            default: break
            }
            if let token { try token.check() }
            guard clock.monotonicSeconds < deadline else { return false }
            let events = Int16(state == PGRES_POLLING_READING ? POLLIN : POLLOUT)
            var entry = pollfd(fd: PQsocket(connection), events: events, revents: 0)
            // Short turns, so that a cancelled token is seen.
            if poll(&entry, 1, 200) > 0 { state = PQconnectPoll(connection) }
        }
    }
}
