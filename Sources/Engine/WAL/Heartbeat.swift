import Domain
import Logging
import Platform
import Postgres
import Vaulting

/// Commits next to nothing on the source every so often, so that the window of an idle server
/// grows by commits of its own: only a commit's time is a time recovery can stop at.
///
/// A transactional message to nobody (`pg_logical_emit_message`); no table is touched. On a thread
/// and a connection of its own, since it may fail without harm to the stream. A stream from a
/// standby has the instance's primary beat, as far as its record names it; nothing is written on a
/// server that is not the instance's.
final class Heartbeat: Sendable {
    private let ending = CancellationToken()
    private let thread: Thread<Void>

    /// What the messages are marked with.
    static let prefix = "pgkeep"

    /// Beats every `seconds` from now on, until `stop`.
    ///
    /// - Parameter reached: the server that is streamed from.
    init(
        _ context: JobContext,
        _ instance: InstanceRecord,
        _ reached: SourceEndpoints.Reached,
        seconds: Double
    ) {
        let beats = Beats(
            // What is wrong with servers that are asked for their role is said once, as a reason.
            context: JobContext(vault: context.vault, clock: context.clock, token: ending),
            instance: instance,
            streamed: reached.settings,
            isElsewhere: reached.role == .standby && instance.addresses.count > 1,
            log: context.log
        )
        thread = Thread<Void>("heartbeat") { [ending] in
            var beats = beats
            repeat { beats.beat() } while !ending.sleep(seconds: seconds)
        }
    }

    /// Ends it without waiting for the server; nothing new is written after the return.
    func stop() {
        ending.cancel()
        try? thread.join()
    }
}

/// The heartbeat's thread: its connection, and what it has said already.
private struct Beats: Sendable {
    let context: JobContext
    let instance: InstanceRecord
    /// These lead to the server that is streamed from.
    let streamed: ConnectionSettings
    /// Whether the primary is another one of the instance's servers.
    let isElsewhere: Bool
    let log: Logger
    private static let applicationName = "pgkeep-heartbeat"
    private var connection: Connection?
    private var said: String?

    init(
        context: JobContext,
        instance: InstanceRecord,
        streamed: ConnectionSettings,
        isElsewhere: Bool,
        log: Logger
    ) {
        self.context = context
        self.instance = instance
        self.streamed = streamed
        self.isElsewhere = isElsewhere
        self.log = log
    }

    mutating func beat() {
        do {
            let current = try connection ?? open()
            connection = current
            let isStandby = try context.token.whileCancellable({ current.breakOff() }) {
                try Self.write(current)
            }
            say(isStandby ? "the server is a standby" : nil)
        } catch {
            connection = nil
            if !context.token.isCancelled { say("\(error)") }
        }
    }

    private func open() throws -> Connection {
        let opened = try Connection(
            try isElsewhere ? primary() : streamed,
            kind: .sql,
            applicationName: Self.applicationName,
            cancellation: context.token
        )
        let found = try opened.query(
            "SELECT system_identifier FROM pg_catalog.pg_control_system()"
        ).first
        // The server's own type is signed, the identifier is not.
        let number = found.flatMap { Int64($0) }.map { UInt64(bitPattern: $0) }
        guard let number, SystemIdentifier(rawValue: number) == instance.systemIdentifier
        else {
            throw PgkeepError(
                .sourceForeign,
                "the SQL login leads to another server",
                hint: "let replication and SQL connections of the source reach the same server"
            )
        }
        // It must not wait for a synchronous standby: that may be the very stream it serves.
        try opened.query("SET synchronous_commit = local")
        try opened.query("SET statement_timeout = '10s'")
        return opened
    }

    /// Looked for again after every failure: it may have moved.
    private func primary() throws -> ConnectionSettings {
        try SourceEndpoints(
            context,
            instance,
            .primary,
            applicationName: Self.applicationName
        ).settings()
    }

    /// Commits unless the server is a standby: true then.
    private static func write(_ connection: Connection) throws -> Bool {
        try connection.query(
            """
            SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL ELSE
                pg_catalog.pg_logical_emit_message(true, \(SQL.literal(Heartbeat.prefix)), '')
            END
            """
        ).first == nil
    }

    /// One line whenever the reason changes, not one for each beat.
    private mutating func say(_ reason: String?) {
        guard reason != said else { return }
        said = reason
        if let reason {
            log.warning("no heartbeat", metadata: ["reason": "\(reason)"])
        } else {
            log.info("heartbeats are committed")
        }
    }
}
