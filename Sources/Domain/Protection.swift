/// How well an instance is protected right now, judged from what the vault knows of it.
///
/// Pure: facts in, a state with reasons and the next step out.
public struct Protection: Hashable, Sendable {
    /// The states, the worst last.
    public enum State: String, Hashable, Sendable, Comparable, CaseIterable, Codable {
        /// Everything is as it should be.
        case protected
        /// Protection was stopped on purpose; what is there can be restored.
        case stopped
        /// The server cannot be reached; all it had when last heard is in the vault.
        case paused
        /// It was added just now: the first backup is not there yet.
        case pending
        /// It can be restored, but not as new as it should be, or not all of it.
        case degraded
        /// It cannot be restored.
        case notProtected = "not-protected"

        /// Orders from best to worst.
        public static func < (left: State, right: State) -> Bool { left.rank < right.rank }

        private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    }

    /// One thing that is not as it should be.
    public struct Reason: Hashable, Sendable, Encodable {
        /// How bad it makes the state.
        public var state: State
        /// What it is, in one line.
        public var what: String
        /// The command that helps.
        public var next: String

        /// A reason.
        public init(_ state: State, _ what: String, next: String) {
            self.state = state
            self.what = what
            self.next = next
        }
    }

    /// What is known of the WAL stream.
    public struct Stream: Hashable, Sendable {
        /// Connected to the server.
        public var isConnected: Bool
        /// For how long the vault has lacked something the server has.
        public var lagSeconds: Double
        /// Why it is not connected.
        public var failure: String?
        /// Why it takes no WAL for now, which is not the server's doing.
        public var pause: String?
        /// What its slot does to the server, or is about to.
        public var slotWarning: String?

        /// A living stream.
        public init(
            isConnected: Bool,
            lagSeconds: Double,
            failure: String? = nil,
            pause: String? = nil,
            slotWarning: String? = nil
        ) {
            self.isConnected = isConnected
            self.lagSeconds = lagSeconds
            self.failure = failure
            self.pause = pause
            self.slotWarning = slotWarning
        }
    }

    /// A job that failed.
    public struct FailedJob: Hashable, Sendable {
        /// Its id.
        public var id: String
        /// When it ended.
        public var at: Timestamp
        /// The error code it ended with.
        public var code: String

        /// A failed job.
        public init(id: String, at: Timestamp, code: String) {
            self.id = id
            self.at = at
            self.code = code
        }
    }

    /// What the vault knows of an instance.
    public struct Facts: Hashable, Sendable {
        /// Its name.
        public var name: String
        /// The present.
        public var now: Timestamp
        /// When it was added.
        public var addedAt: Timestamp
        /// How protection was ended on purpose, in words; nil while it is active.
        public var ended: String?
        /// True when it is in the trash.
        public var isDeleted = false
        /// When the newest usable point was made; nil when there is none.
        public var newestPoint: Timestamp?
        /// Points that are damaged.
        public var damagedPoints = 0
        /// The stream, when one lives.
        public var stream: Stream?
        /// Until when the vault is known to have everything, without a stream.
        public var knownUntil: Timestamp?
        /// The newest backup job, when it failed and no point was made since.
        public var failedBackup: FailedJob?
        /// The last drill, when its copy was not what it should be.
        public var failedDrill: FailedJob?
        /// WAL behind the newest point is missing.
        public var hasGapAhead = false
        /// Seconds after which a backup counts as overdue.
        public var backupDueSeconds: Double = 2 * 86400
        /// Seconds a stream may be behind before it is said.
        public var lagLimitSeconds: Double = 300
        /// Seconds without a stream before it is said: cron may fetch WAL every five minutes.
        public var fetchLimitSeconds: Double = 900

        /// Facts about an instance of which nothing else is known yet.
        public init(name: String, now: Timestamp, addedAt: Timestamp) {
            self.name = name
            self.now = now
            self.addedAt = addedAt
        }
    }

    /// The state.
    public var state: State
    /// What made it so, the worst first; empty when all is well.
    public var reasons: [Reason]

    /// An instance that was added may take so long to have its first backup.
    public static let firstBackupSeconds: Double = 86400

    /// Judges `facts`.
    public init(_ facts: Facts) {
        var reasons: [Reason] = []
        if facts.isDeleted {
            let what = "it is deleted: \(facts.ended ?? "in the trash")"
            let next = "pgkeep instance undelete \(facts.name)"
            reasons.append(Reason(.stopped, what, next: next))
        } else if let ended = facts.ended {
            let next = "pgkeep instance resume \(facts.name)"
            reasons.append(Reason(.stopped, ended, next: next))
            if facts.newestPoint == nil { reasons.append(Self.nothing(facts)) }
        } else {
            reasons = Self.points(facts) + Self.wal(facts)
        }
        self.reasons = reasons.enumerated().sorted {
            ($1.element.state, $0.offset) < ($0.element.state, $1.offset)
        }.map(\.element)
        state = self.reasons.first?.state ?? .protected
    }

    private static func nothing(_ facts: Facts) -> Reason {
        Reason(
            .notProtected,
            "there is no recovery point to restore",
            next: "pgkeep backup create \(facts.name)"
        )
    }

    private static func points(_ facts: Facts) -> [Reason] {
        var reasons: [Reason] = []
        let backup = "pgkeep backup create \(facts.name)"
        if facts.damagedPoints > 0 {
            let what = "damaged recovery points: \(facts.damagedPoints)"
            reasons.append(Reason(.degraded, what, next: "pgkeep vault check"))
        }
        guard let newest = facts.newestPoint else {
            let age = facts.now.seconds(since: facts.addedAt)
            let isNew = age <= firstBackupSeconds && facts.damagedPoints == 0
            reasons.append(
                isNew
                    ? Reason(.pending, "the first backup is not there yet", next: backup)
                    : nothing(facts)
            )
            return reasons
        }
        // A server that is away and had nothing more to say is not overdue.
        let isAway = facts.stream.map { !$0.isConnected && $0.lagSeconds == 0 } ?? false
        if !isAway, facts.now.seconds(since: newest) > facts.backupDueSeconds {
            reasons.append(Reason(.degraded, "the last backup is of \(newest)", next: backup))
        }
        if !isAway, let failed = facts.failedBackup {
            let what = "the backup of \(failed.at) failed: \(failed.code)"
            reasons.append(Reason(.degraded, what, next: "pgkeep job show \(failed.id)"))
        }
        if let failed = facts.failedDrill {
            let what = "the drill of \(failed.at) found its copy unsound"
            reasons.append(Reason(.degraded, what, next: "pgkeep drill show \(failed.id)"))
        }
        if facts.hasGapAhead {
            let what = "WAL after the last backup is missing: nothing behind the gap is restorable"
            reasons.append(Reason(.degraded, what, next: backup))
        }
        return reasons
    }

    private static func wal(_ facts: Facts) -> [Reason] {
        // Before the first backup there is nothing WAL could carry on.
        guard facts.newestPoint != nil else { return [] }
        let stream = "pgkeep wal stream \(facts.name)"
        if let living = facts.stream {
            return slot(living, facts) + (living.pause.map { [paused($0)] } ?? lag(living, facts))
        }
        guard let until = facts.knownUntil else {
            return [Reason(.degraded, "its WAL is not streamed", next: stream)]
        }
        guard facts.now.seconds(since: until) > facts.fetchLimitSeconds else { return [] }
        return [Reason(.degraded, "its WAL was last fetched at \(until)", next: stream)]
    }

    private static func slot(_ living: Stream, _ facts: Facts) -> [Reason] {
        living.slotWarning.map {
            [Reason(.degraded, $0, next: "pgkeep wal status \(facts.name)")]
        } ?? []
    }

    private static func paused(_ why: String) -> Reason {
        Reason(.degraded, "the stream pauses: \(why)", next: "pgkeep vault prune")
    }

    private static func lag(_ living: Stream, _ facts: Facts) -> [Reason] {
        if !living.isConnected {
            let why = living.failure.map { ": \($0)" } ?? ""
            let isBehind = living.lagSeconds > 0
            let what =
                isBehind
                ? "the stream has lost the server with WAL outstanding\(why)"
                : "the stream waits for the server\(why)"
            return [
                Reason(
                    isBehind ? .degraded : .paused,
                    what,
                    next: "pgkeep doctor --instance \(facts.name)"
                )
            ]
        }
        guard living.lagSeconds > facts.lagLimitSeconds else { return [] }
        let what = "the stream is \(Int(living.lagSeconds)) s behind the server"
        return [Reason(.degraded, what, next: "pgkeep wal status \(facts.name)")]
    }
}
