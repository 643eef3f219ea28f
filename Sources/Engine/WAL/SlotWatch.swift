import Domain
import Logging
import Platform
import Postgres
import Vaulting

/// Watches what a stream's slot does to its server, on a thread of its own and by connections of
/// its own: how much WAL it keeps, how much more may be written, and whether it is to be given up.
///
/// Where an instance has several servers, it also keeps the slots on the others no further back
/// than needed: there for when the stream has to go over to them, and never a burden.
final class SlotWatch: Sendable {
    private let ending = CancellationToken()
    private let thread: Thread<Void>

    /// Looks every `seconds` from now on, until `stop`.
    ///
    /// - Parameter report: called with what was found; on the watch's thread.
    init(
        _ context: JobContext,
        _ place: StreamPlace,
        seconds: Double,
        limit: UInt64?,
        report: @escaping @Sendable (SlotReading) -> Void
    ) {
        let own = JobContext(
            vault: context.vault,
            clock: context.clock,
            log: context.log,
            token: ending
        )
        thread = Thread<Void>("slot-watch") { [ending] in
            var round = Round(context: own, place: place, limit: limit)
            // The first look comes when there is something to look at.
            while place.now.address == nil, !ending.sleep(seconds: 0.2) {}
            while !ending.isCancelled {
                if let reading = round.look() { report(reading) }
                round.keepOthers()
                if ending.sleep(seconds: seconds) { return }
            }
        }
    }

    /// Ends it.
    func stop() {
        ending.cancel()
        try? thread.join()
    }
}

/// What a look at a slot found.
struct SlotReading: Sendable {
    /// How it stands; nil when nothing could be read.
    var pressure: SlotPressure?
    /// What could not be read, and why.
    var note: String?
    /// Whether the server's commits may wait for standbys; nil when nothing could be read.
    var commitsWait: Bool?
}

/// The watch's thread: one look after the other, and what it has said already.
private struct Round {
    let context: JobContext
    let place: StreamPlace
    private let asked: UInt64?
    private var said: String?
    private var saidOthers: [String: String] = [:]

    init(context: JobContext, place: StreamPlace, limit: UInt64?) {
        self.context = context
        self.place = place
        asked = limit
    }

    private var instance: InstanceRecord { place.now.instance }

    private var limit: UInt64? { asked ?? instance.giveUpSlotBytes }

    // MARK: - The stream's own slot

    /// Looks at the slot the stream uses.
    mutating func look() -> SlotReading? {
        guard let name = instance.slot, let settings = place.now.settings else { return nil }
        let reading: SlotReading
        do {
            reading = try SlotReading.take(name, settings, context.token, limit: limit)
        } catch {
            if context.token.isCancelled { return nil }
            return SlotReading(note: "the slot cannot be read: \(error)")
        }
        // Set or taken back by a reload of the server, which a stream in COPY does not hear of.
        if let wait = reading.commitsWait, place.now.control?.noteCommits(wait: wait) == true {
            context.log.notice("commits of the server \(wait ? "may wait now" : "wait no longer")")
        }
        let warning = reading.pressure?.warning
        if let warning, warning.prefix(24) != said?.prefix(24) {
            context.log.warning("\(warning)", metadata: ["slot": "\(name)"])
        }
        said = warning
        if reading.pressure?.isGivenUp == true { place.ask(.giveUp) }
        return reading
    }

    // MARK: - The slots on the other servers

    mutating func keepOthers() {
        let now = place.now
        guard let name = instance.slot, let address = now.address,
            instance.addresses.count > 1, now.durable > .zero
        else { return }
        let endpoints = SourceEndpoints(
            context,
            instance,
            .any,
            applicationName: "pgkeep-slots"
        )
        for answer in endpoints.others(than: address) {
            guard !context.token.isCancelled else { return }
            do {
                let found = try answer.get()
                try context.token.whileCancellable({ found.connection.breakOff() }) {
                    try keep(name, on: found, at: now)
                }
                saidOthers[found.address] = nil
                let rank = instance.walFrom.rank(of: found.role)
                if let rank, rank < now.rank, !now.resting.contains(found.address),
                    found.identity.timeline == now.timeline,
                    found.identity.position >= now.durable
                {
                    place.ask(.move)
                }
            } catch {
                say("\(error)")
            }
        }
    }

    /// A slot is there, and keeps what the vault does not have yet.
    private func keep(
        _ name: String,
        on found: SourceEndpoints.Reached,
        at now: StreamPlace.State
    ) throws {
        let size = instance.segmentSize
        let connection = found.connection
        let sql = connection.serverVersion.readsSlots ? nil : try Self.sql(found, context.token)
        var slot = try ReplicationSlots.read(name, replication: connection, sql: sql)
        if let held = slot, held.isLost || isTooMuch(held, found.identity.position) {
            try ReplicationSlots.drop(name, on: connection)
            slot = nil
        }
        if slot == nil {
            try ReplicationSlots.create(name, isTemporary: false, on: connection)
            slot = try ReplicationSlots.read(name, replication: connection, sql: sql)
        }
        // Only along one timeline positions can be compared.
        guard found.identity.timeline == now.timeline, let kept = slot?.restartLSN else { return }
        let durable = min(now.durable, found.identity.position)
        let first = WALSegment(timeline: now.timeline, containing: durable, size: size).start
        guard kept < first else { return }
        try ReplicationSlots.advance(
            name,
            to: first,
            timeline: now.timeline,
            on: connection
        )
    }

    private func isTooMuch(_ slot: ReplicationSlot, _ end: LSN) -> Bool {
        guard let limit, let kept = slot.restartLSN, end > kept else { return false }
        return end - kept > limit
    }

    private static func sql(
        _ found: SourceEndpoints.Reached,
        _ token: CancellationToken
    ) throws -> Connection {
        try Connection(
            found.settings,
            kind: .sql,
            applicationName: "pgkeep-slots",
            cancellation: token
        )
    }

    /// One line for each reason, not one for each look.
    private mutating func say(_ reason: String) {
        guard saidOthers[reason] == nil, !context.token.isCancelled else { return }
        saidOthers = [reason: reason]
        context.log.warning(
            "a slot on another server of the instance is not kept",
            metadata: ["reason": "\(reason)"]
        )
    }
}

extension SlotReading {
    /// Looks at a slot: over SQL, or, where the role may not log in to a database, by the
    /// replication protocol, which tells less.
    static func take(
        _ name: String,
        _ settings: ConnectionSettings,
        _ token: CancellationToken,
        limit: UInt64?
    ) throws -> SlotReading {
        switch connect(settings, token) {
        case .success(let sql):
            sql.answerSeconds = 20
            return try token.whileCancellable({ sql.breakOff() }) { try over(sql, name, limit) }
        case .failure(let error):
            guard !error.isPassingSourceFailure else { throw error }
            return try withoutSQL(name, settings, token, limit: limit, why: error)
        }
    }

    private static func connect(
        _ settings: ConnectionSettings,
        _ token: CancellationToken
    ) -> Result<Connection, PgkeepError> {
        Result { () throws(PgkeepError) in
            try Connection(
                settings,
                kind: .sql,
                applicationName: "pgkeep-slots",
                cancellation: token
            )
        }
    }

    private static func over(
        _ sql: Connection,
        _ name: String,
        _ limit: UInt64?
    ) throws -> SlotReading {
        let row = try sql.query(
            """
            SELECT s.wal_status, s.safe_wal_size, pg_catalog.pg_wal_lsn_diff(
                CASE WHEN pg_catalog.pg_is_in_recovery()
                THEN coalesce(pg_catalog.pg_last_wal_receive_lsn(),
                    pg_catalog.pg_last_wal_replay_lsn())
                ELSE pg_catalog.pg_current_wal_lsn() END, s.restart_lsn)::bigint,
                pg_catalog.current_setting('synchronous_standby_names') <> ''
            FROM pg_catalog.pg_replication_slots AS s
            WHERE s.slot_name = \(SQL.literal(name)) AND s.slot_type = 'physical'
            """
        ).rows.first
        guard let row else { return SlotReading(note: "the slot \(name) is not there") }
        return SlotReading(
            pressure: SlotPressure(
                retainedBytes: UInt64(max(0, row[2].flatMap { Int64($0) } ?? 0)),
                safeBytes: row[1].flatMap { Int64($0) }.map { UInt64(max(0, $0)) },
                state: row[0] ?? "lost",
                limitBytes: limit
            ),
            commitsWait: row[3] == "t"
        )
    }

    private static func withoutSQL(
        _ name: String,
        _ settings: ConnectionSettings,
        _ token: CancellationToken,
        limit: UInt64?,
        why: PgkeepError
    ) throws -> SlotReading {
        let connection = try Connection(
            settings,
            kind: .physicalReplication,
            applicationName: "pgkeep-slots",
            cancellation: token
        )
        connection.answerSeconds = 20
        return try token.whileCancellable({ connection.breakOff() }) {
            let end = try connection.identifySystem().position
            let slot = try ReplicationSlots.read(name, replication: connection, sql: nil)
            let names = try connection.setting("synchronous_standby_names")
            let note =
                "safe_wal_size cannot be read, for which the role needs an SQL login:"
                + " \(why.message)"
            guard let kept = slot?.restartLSN else {
                return SlotReading(note: "the slot \(name) is not there, or lost; \(note)")
            }
            return SlotReading(
                pressure: SlotPressure(
                    retainedBytes: end > kept ? end - kept : 0,
                    limitBytes: limit
                ),
                note: note,
                commitsWait: names != nil && names != ""
            )
        }
    }
}
