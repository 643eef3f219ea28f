/// What a stretch of WAL (a segment, a part of one, or a journal) holds, so that planning need not
/// read it.
///
/// A record belongs to the stretch it *ends* in: only there is it whole. Postgres makes the summary
/// while the WAL streams by, Vaulting stores it with the segment, the planner reads it.
public struct WALSummary: Hashable, Sendable, Codable {
    /// A named restore point.
    public struct RestorePoint: Hashable, Sendable, Codable {
        /// The name given to `pg_create_restore_point`.
        public var name: String
        /// The end of its record, which is what `pg_create_restore_point` returns.
        public var lsn: LSN
        /// The time in the record.
        public var time: Timestamp

        /// A restore point.
        public init(name: String, lsn: LSN, time: Timestamp) {
            self.name = name
            self.lsn = lsn
            self.time = time
        }
    }

    /// The first record of a new timeline.
    public struct TimelineSwitch: Hashable, Sendable, Codable {
        /// The timeline left.
        public var from: TimelineID
        /// The timeline begun.
        public var to: TimelineID
        /// The end of the record that says so.
        public var lsn: LSN

        /// A switch.
        public init(from: TimelineID, to: TimelineID, lsn: LSN) {
            self.from = from
            self.to = to
            self.lsn = lsn
        }
    }

    /// A tablespace made where the source keeps it: replay makes it in the same place again.
    public struct CreatedTablespace: Hashable, Sendable, Codable {
        /// Its number.
        public var oid: UInt32
        /// Its directory on the source's host; relative or empty within the data directory.
        public var path: String
        /// The start of the record.
        public var lsn: LSN
        /// The start of the record before it.
        public var previous: LSN

        /// A tablespace.
        public init(oid: UInt32, path: String, lsn: LSN, previous: LSN) {
            self.oid = oid
            self.path = path
            self.lsn = lsn
            self.previous = previous
        }
    }

    /// The first byte covered.
    public var start: LSN
    /// The end of the last record that ends in this stretch; `start` when none does.
    ///
    /// Rounded up to 8; after an XLOG_SWITCH it is the end of the segment.
    public var end: LSN
    /// The start of the last record that ends in this stretch, nil when none does.
    ///
    /// An LSN target beyond it would never be met, for want of a record starting there.
    public var lastRecord: LSN?
    /// The earliest time in any commit or abort record.
    public var minTime: Timestamp?
    /// The latest time in any commit or abort record.
    public var maxTime: Timestamp?
    /// The time of the first commit in WAL order.
    public var firstCommit: Timestamp?
    /// The time of the last commit in WAL order.
    public var lastCommit: Timestamp?
    /// How many commits there are.
    public var commits: UInt64 = 0
    /// How many aborts there are.
    public var aborts: UInt64 = 0
    /// The end of the last commit or abort record.
    public var lastTransactionEnd: LSN?
    /// The lowest xid ended by a commit or abort record, compared as a plain number.
    public var minXID: UInt32?
    /// The highest xid ended by a commit or abort record, compared as a plain number.
    public var maxXID: UInt32?
    /// Named restore points in WAL order.
    public var restorePoints: [RestorePoint] = []
    /// Timeline switches in WAL order.
    public var switches: [TimelineSwitch] = []
    /// The highest settings any PARAMETER_CHANGE record announces.
    public var settings: SettingsFloor?
    /// Tablespaces made, in WAL order; nil when there are none.
    public var tablespaces: [CreatedTablespace]?

    /// A stretch beginning at `start` of which nothing is known yet.
    public init(start: LSN) {
        self.start = start
        end = start
    }

    /// Counts a record of any kind; `add` does it for commit and abort records.
    public mutating func count(start: LSN, end: LSN) {
        lastRecord = start
        self.end = max(self.end, end)
    }

    /// Counts a commit or abort record.
    public mutating func add(_ record: TransactionEnd) {
        minTime = min(minTime ?? record.time, record.time)
        maxTime = max(maxTime ?? record.time, record.time)
        minXID = min(minXID ?? record.xid, record.xid)
        maxXID = max(maxXID ?? record.xid, record.xid)
        lastTransactionEnd = record.end
        if record.isCommit {
            firstCommit = firstCommit ?? record.time
            lastCommit = record.time
            commits += 1
        } else {
            aborts += 1
        }
        lastRecord = record.start
        end = max(end, record.end)
    }

    /// Takes in the settings of a PARAMETER_CHANGE record.
    public mutating func add(_ change: SettingsFloor) { settings = change.raised(to: settings) }

    /// True when a transaction of this number may have ended here.
    public func mayContain(xid: UInt32) -> Bool {
        guard let minXID, let maxXID else { return false }
        return minXID <= xid && xid <= maxXID
    }

    /// This stretch and the one that follows it, as one.
    public func joined(with next: WALSummary) -> WALSummary {
        var joined = self
        joined.end = max(end, next.end)
        joined.lastRecord = next.lastRecord ?? lastRecord
        joined.minTime = [minTime, next.minTime].compactMap(\.self).min()
        joined.maxTime = [maxTime, next.maxTime].compactMap(\.self).max()
        joined.firstCommit = firstCommit ?? next.firstCommit
        joined.lastCommit = next.lastCommit ?? lastCommit
        joined.commits += next.commits
        joined.aborts += next.aborts
        joined.lastTransactionEnd = next.lastTransactionEnd ?? lastTransactionEnd
        joined.minXID = [minXID, next.minXID].compactMap(\.self).min()
        joined.maxXID = [maxXID, next.maxXID].compactMap(\.self).max()
        joined.restorePoints += next.restorePoints.filter { !restorePoints.contains($0) }
        joined.switches += next.switches.filter { !switches.contains($0) }
        let created =
            (tablespaces ?? [])
            + (next.tablespaces ?? []).filter { tablespaces?.contains($0) != true }
        joined.tablespaces = created.isEmpty ? nil : created
        joined.settings = settings?.raised(to: next.settings) ?? next.settings
        return joined
    }

    private enum CodingKeys: String, CodingKey {
        case start, end, commits, aborts, switches, settings, tablespaces
        case lastRecord = "last_record"
        case minTime = "min_time"
        case maxTime = "max_time"
        case firstCommit = "first_commit"
        case lastCommit = "last_commit"
        case lastTransactionEnd = "last_transaction_end"
        case minXID = "min_xid"
        case maxXID = "max_xid"
        case restorePoints = "restore_points"
    }
}
