public import Domain
public import Platform

/// One run of anything: what it is, how far it is, how it ended.
///
/// Written by the process that runs it, read by everybody. While it runs the record is a sign of
/// life as a lease is; ended, it never changes again.
public struct JobRecord: Hashable, Sendable, Codable {
    /// A stretch of a job, in the order they came.
    public struct Phase: Hashable, Sendable, Codable {
        /// `copy`, `wal`, `replay`, …
        public var name: String
        /// When it began.
        public var startedAt: Timestamp
        /// When it ended; nil while it goes on.
        public var endedAt: Timestamp?
        /// Bytes done in it.
        public var bytes: UInt64

        /// A phase that begins.
        public init(name: String, startedAt: Timestamp) {
            self.name = name
            self.startedAt = startedAt
            bytes = 0
        }

        enum CodingKeys: String, CodingKey {
            case name, bytes
            case startedAt = "started_at"
            case endedAt = "ended_at"
        }
    }

    /// Which job.
    public var id: JobID
    /// What it does.
    public var kind: JobKind
    /// The instance it is about; nil for the whole vault.
    public var instance: InstanceName?
    /// Why it runs: `initial`, `manual`, `scheduled`.
    public var trigger: String
    /// Where it stands.
    public var state: JobState
    /// What it has gone through.
    public var phases: [Phase] = []
    /// How much of the whole is done: 0 to 100, never less than before, 100 only at a good end.
    public var percent: Double = 0
    /// Bytes done in the phase it is in.
    public var doneBytes: UInt64 = 0
    /// Bytes of that phase, when known.
    public var totalBytes: UInt64?
    /// Bytes a second in that phase.
    public var rate: Double?
    /// Seconds left, when they can be told.
    public var etaSeconds: Double?
    /// When it was asked for, if it was queued.
    public var queuedAt: Timestamp?
    /// When it began.
    public var startedAt: Timestamp?
    /// When it ended.
    public var endedAt: Timestamp?
    /// When its process last gave a sign, on that process' clock.
    public var beatAt: Timestamp?
    /// The process.
    public var holder: ProcessIdentity
    /// The name of the machine.
    public var host: String
    /// The recovery point it made, restored or deleted.
    public var point: PointID?
    /// The stable code of the failure.
    public var errorCode: String?
    /// The failure in one line.
    public var message: String?
    /// True when the failure may pass by itself.
    public var retryable = false
    /// Why it was skipped: `no-change`, `busy`, `server-stopped`, `outside-hours`.
    public var skipReason: String?
    /// What the operator should know although it was done.
    public var warnings: [String] = []
    /// The last lines of its log, without secrets.
    public var logTail: [String] = []

    enum CodingKeys: String, CodingKey, CaseIterable {
        case id, kind, instance, trigger, state, phases, percent, rate, holder, host, point
        case message, retryable, warnings
        case doneBytes = "done_bytes"
        case totalBytes = "total_bytes"
        case etaSeconds = "eta_seconds"
        case queuedAt = "queued_at"
        case startedAt = "started_at"
        case endedAt = "ended_at"
        case beatAt = "beat_at"
        case errorCode = "error_code"
        case skipReason = "skip_reason"
        case logTail = "log_tail"
    }

    /// A job of this process.
    public init(
        id: JobID,
        kind: JobKind,
        instance: InstanceName?,
        trigger: String,
        state: JobState,
        holder: ProcessIdentity = .current()
    ) {
        self.id = id
        self.kind = kind
        self.instance = instance
        self.trigger = trigger
        self.state = state
        self.holder = holder
        host = holder.host
    }

    /// When it ended, or else began, or else was asked for: what lists go by.
    public var time: Timestamp { endedAt ?? startedAt ?? queuedAt ?? id.time }

    /// True when it is said to run and its process is gone, or silent for longer than
    /// `LeaseRecord.silenceSeconds`.
    public func isDead(now: Timestamp, observer: ProcessIdentity = .current()) -> Bool {
        guard state == .running else { return false }
        if let ended = holder.hasEnded(seenFrom: observer) { return ended }
        return now.seconds(since: beatAt ?? id.time) > LeaseRecord.silenceSeconds
    }

    /// Writes every key, those without a value too, so that readers can rely on all of them.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(kind, forKey: .kind)
        try container.encode(instance, forKey: .instance)
        try container.encode(trigger, forKey: .trigger)
        try container.encode(state, forKey: .state)
        try container.encode(phases, forKey: .phases)
        try container.encode(percent, forKey: .percent)
        try container.encode(doneBytes, forKey: .doneBytes)
        try container.encode(totalBytes, forKey: .totalBytes)
        try container.encode(rate, forKey: .rate)
        try container.encode(etaSeconds, forKey: .etaSeconds)
        try container.encode(queuedAt, forKey: .queuedAt)
        try container.encode(startedAt, forKey: .startedAt)
        try container.encode(endedAt, forKey: .endedAt)
        try container.encode(beatAt, forKey: .beatAt)
        try container.encode(holder, forKey: .holder)
        try container.encode(host, forKey: .host)
        try container.encode(point, forKey: .point)
        try container.encode(errorCode, forKey: .errorCode)
        try container.encode(message, forKey: .message)
        try container.encode(retryable, forKey: .retryable)
        try container.encode(skipReason, forKey: .skipReason)
        try container.encode(warnings, forKey: .warnings)
        try container.encode(logTail, forKey: .logTail)
    }
}
