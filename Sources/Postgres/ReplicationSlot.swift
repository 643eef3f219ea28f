public import Domain
internal import Platform

/// A physical replication slot as the server tells of it.
public struct ReplicationSlot: Hashable, Sendable {
    /// Its name.
    public var name: String
    /// The oldest WAL it keeps; nil when it keeps nothing, which for a slot of ours means lost.
    public var restartLSN: LSN?
    /// The timeline of `restartLSN`; known from 15 on.
    public var timeline: TimelineID?
    /// `reserved`, `extended`, `unreserved` or `lost`; nil without an SQL connection.
    public var walStatus: String?
    /// Bytes of WAL that may be written before the slot is lost; nil when unlimited or unknown.
    public var safeBytes: UInt64?
    /// The server process that uses it now; nil when none does, or without an SQL connection.
    public var activePID: Int?
    /// Why the server invalidated it (17 and later).
    public var invalidation: String?

    /// A slot.
    public init(
        name: String,
        restartLSN: LSN? = nil,
        timeline: TimelineID? = nil,
        walStatus: String? = nil,
        safeBytes: UInt64? = nil,
        activePID: Int? = nil,
        invalidation: String? = nil
    ) {
        self.name = name
        self.restartLSN = restartLSN
        self.timeline = timeline
        self.walStatus = walStatus
        self.safeBytes = safeBytes
        self.activePID = activePID
        self.invalidation = invalidation
    }

    /// True when WAL it was to keep is gone.
    ///
    /// The server would still stream from such a slot up to 17, and the first report revives it on
    /// 13 to 15 without a trace, so look before streaming.
    public var isLost: Bool {
        restartLSN == nil || walStatus == "lost" || invalidation != nil
    }

    /// True for a name the server accepts.
    public static func isName(_ text: String) -> Bool {
        (1...63).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (97...122).contains($0) || (48...57).contains($0) || $0 == UInt8(ascii: "_")
            }
    }
}

/// Making, reading and dropping physical replication slots.
public enum ReplicationSlots {
    /// Creates a slot that keeps WAL from the last checkpoint on, over a replication connection.
    ///
    /// A temporary slot lives as long as the session, and ends with any error in it. `.exists` when
    /// the name is taken.
    public static func create(
        _ name: String,
        isTemporary: Bool,
        on connection: Connection
    ) throws(PgkeepError) {
        try check(name)
        let temporary = isTemporary ? " TEMPORARY" : ""
        do throws(PgkeepError) {
            // The keyword form; 13 to 18 all take it.
            try connection.query(
                "CREATE_REPLICATION_SLOT \(SQL.identifier(name))\(temporary) PHYSICAL RESERVE_WAL"
            )
        } catch  where error.postgres?.sqlstate == "42710" {
            throw PgkeepError(
                .exists,
                "the replication slot \(name) exists already",
                hint:
                    "choose another name, or drop it: SELECT pg_drop_replication_slot('\(name)');",
                cause: error
            )
        } catch  where error.postgres?.sqlstate == "53400" {
            throw PgkeepError(
                .sourceSetting,
                "the server has no replication slot left",
                hint: "raise max_replication_slots in postgresql.conf and restart the server",
                cause: error
            )
        }
    }

    /// Reads a slot; nil when there is none.
    ///
    /// The replication connection suffices from 15 on; `sql` adds what only the view tells, and is
    /// needed before 15.
    public static func read(
        _ name: String,
        replication: Connection,
        sql: Connection?
    ) throws(PgkeepError) -> ReplicationSlot? {
        try check(name)
        var slot: ReplicationSlot?
        if replication.serverVersion.readsSlots {
            let rows = try replication.query("READ_REPLICATION_SLOT \(SQL.identifier(name))").rows
            guard let row = rows.first, row.count >= 3, row[0] != nil else { return nil }
            slot = ReplicationSlot(
                name: name,
                restartLSN: row[1].flatMap { LSN($0) },
                timeline: row[2].flatMap { TimelineID($0) }
            )
        }
        guard let sql else {
            guard let slot else {
                throw PgkeepError(
                    .sourcePrivilege,
                    "the slot \(name) cannot be read on this version without SQL",
                    hint: "let \(replication.settings.user) log in to a database: GRANT CONNECT …"
                )
            }
            return slot
        }
        return try view(name, slot, sql)
    }

    private static func view(
        _ name: String,
        _ known: ReplicationSlot?,
        _ sql: Connection
    ) throws(PgkeepError) -> ReplicationSlot? {
        let invalidation =
            sql.serverVersion.major >= 17 ? "invalidation_reason" : "NULL"
        let rows = try sql.query(
            """
            SELECT restart_lsn, wal_status, safe_wal_size, active_pid, \(invalidation)
            FROM pg_catalog.pg_replication_slots
            WHERE slot_name = \(SQL.literal(name)) AND slot_type = 'physical'
            """
        ).rows
        guard let row = rows.first else { return nil }
        return ReplicationSlot(
            name: name,
            restartLSN: row[0].flatMap { LSN($0) },
            timeline: known?.timeline,
            walStatus: row[1],
            safeBytes: row[2].flatMap { Int64($0) }.map { UInt64(max(0, $0)) },
            activePID: row[3].flatMap { Int($0) },
            invalidation: row[4]
        )
    }

    /// Drops a slot over a replication connection; false when there was none.
    ///
    /// `.slotBusy` when somebody streams from it.
    @discardableResult
    public static func drop(
        _ name: String,
        on connection: Connection
    ) throws(PgkeepError) -> Bool {
        try check(name)
        do throws(PgkeepError) {
            try connection.query("DROP_REPLICATION_SLOT \(SQL.identifier(name))")
            return true
        } catch  where error.postgres?.sqlstate == "42704" {
            return false
        }
    }

    /// Has a slot keep nothing before `position`, which must not lie behind the server's end.
    ///
    /// By the replication protocol, as a stream that confirms the position and leaves; so it needs
    /// no right but REPLICATION. `.slotBusy` when somebody streams from it.
    public static func advance(
        _ name: String,
        to position: LSN,
        timeline: TimelineID,
        on connection: Connection
    ) throws {
        try check(name)
        let command = "START_REPLICATION SLOT \(SQL.identifier(name)) PHYSICAL \(position)"
        try connection.send("\(command) TIMELINE \(timeline)")
        let answer = try connection.nextAnswer(within: connection.answerSeconds)
        if case .failed(let error) = answer { throw error.failure("advance the slot \(name)") }
        if case .copyBoth = answer {
            let status = WALStreamProtocol.status(
                written: position,
                flushed: position,
                now: SystemClock().now,
                wantsReply: false
            )
            try connection.putCopy(status)
            try connection.endCopy()
        }
        try connection.finishCopy(within: connection.answerSeconds)
    }

    private static func check(_ name: String) throws(PgkeepError) {
        guard ReplicationSlot.isName(name) else {
            throw PgkeepError(
                .usage,
                "\"\(name)\" is no name for a replication slot",
                hint: "use 1 to 63 of a-z, 0-9 and _"
            )
        }
    }
}
