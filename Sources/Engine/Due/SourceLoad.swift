import Domain
import Logging
import Platform
import Postgres
package import Vaulting

/// How much a server has to do, as SQL shows it: a backup that can wait does not begin on a busy
/// one.
package struct SourceLoad: Hashable, Sendable {
    /// What is too much.
    package struct Limits: Hashable, Sendable {
        /// Sessions at work, on average over the moments looked at; nil: any number.
        package var sessions: Int?
        /// Seconds a standby is behind in replaying; nil: any time.
        package var lagSeconds: Double?

        package init(sessions: Int? = nil, lagSeconds: Double? = nil) {
            self.sessions = sessions
            self.lagSeconds = lagSeconds
        }

        /// True when a load is more than this.
        package func isExceeded(by load: SourceLoad) -> Bool {
            if let sessions, let found = load.sessions, found > Double(sessions) { return true }
            if let lagSeconds, let found = load.lagSeconds, found > lagSeconds { return true }
            return false
        }
    }

    /// Sessions at work; nil when the role may not see them.
    package var sessions: Double?
    /// Seconds the standby is behind that is furthest behind; nil without one, infinite when one
    /// replays nothing of what it has: then nobody can see how far behind it is.
    package var lagSeconds: Double?

    /// One moment says little: so many are looked at, so far apart.
    private static let looks = (count: 5, seconds: 0.4)

    package init(sessions: Double? = nil, lagSeconds: Double? = nil) {
        self.sessions = sessions
        self.lagSeconds = lagSeconds
    }

    /// True when the server backups are taken from is busier than `limits` allow. One that cannot
    /// be looked at is not: the backup is due, and the log says why it did not wait.
    package static func isExceeded(
        _ context: JobContext,
        _ instance: InstanceRecord,
        _ limits: Limits
    ) throws -> Bool {
        do {
            let reached = try SourceEndpoints(context, instance, instance.baseFrom).reach()
            let load = try take(reached.settings, context.token)
            if limits.sessions != nil, load.sessions == nil {
                context.log.warning(
                    "how busy the server is cannot be seen: GRANT pg_monitor to its role"
                )
            }
            return limits.isExceeded(by: load)
        } catch let error as PgkeepError {
            try context.token.check()
            context.log.warning(
                "how busy the server is cannot be seen",
                metadata: ["why": "\(error)"]
            )
            return false
        }
    }

    private static func take(
        _ settings: ConnectionSettings,
        _ token: CancellationToken
    ) throws -> SourceLoad {
        let connection = try Connection(
            settings,
            kind: .sql,
            applicationName: "pgkeep",
            cancellation: token
        )
        connection.answerSeconds = 60
        var load = SourceLoad()
        var counted: [Double] = []
        let behind = try standbysBehind(connection)
        for look in 0..<looks.count {
            if look > 0, token.sleep(seconds: looks.seconds) { throw token.error }
            // States of others are hidden from a role without pg_monitor.
            let row = try connection.query(
                """
                SELECT count(*) FILTER (WHERE state = 'active'),
                    count(*) FILTER (WHERE state IS NULL)
                FROM pg_catalog.pg_stat_activity
                WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()
                    AND application_name NOT LIKE 'pgkeep%'
                """
            ).rows.first
            guard let row, row[1] == "0", let active = row[0].flatMap({ Double($0) }) else { break }
            counted.append(active)
        }
        if counted.count == looks.count {
            load.sessions = counted.reduce(0, +) / Double(counted.count)
        }
        load.lagSeconds = try connection.query(
            """
            SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN
                CASE WHEN pg_catalog.pg_last_wal_receive_lsn()
                    IS DISTINCT FROM pg_catalog.pg_last_wal_replay_lsn()
                THEN extract(epoch FROM pg_catalog.clock_timestamp()
                    - pg_catalog.pg_last_xact_replay_timestamp()) ELSE 0 END
            ELSE (SELECT max(extract(epoch FROM replay_lag))
                FROM pg_catalog.pg_stat_replication
                WHERE application_name NOT LIKE 'pgkeep%') END
            """
        ).first.flatMap { Double($0) }
        // The server measures a lag only when something was replayed.
        if try !standbysBehind(connection).isDisjoint(with: behind) { load.lagSeconds = .infinity }
        return load
    }

    /// The standbys of a primary that have WAL to replay, each with the position it has reached.
    private static func standbysBehind(_ connection: Connection) throws -> Set<String> {
        let rows = try connection.query(
            """
            SELECT pid || ' ' || replay_lsn FROM pg_catalog.pg_stat_replication
            WHERE state = 'streaming' AND NOT pg_catalog.pg_is_in_recovery()
                AND replay_lsn < flush_lsn AND application_name NOT LIKE 'pgkeep%'
            """
        ).rows
        return Set(rows.compactMap(\.first).compactMap(\.self))
    }
}
