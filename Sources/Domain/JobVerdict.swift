/// How the newest job of one kind and instance ended: what is left of job records for alerts, which
/// must not forget a failure because its record is old.
public struct JobVerdict: Hashable, Sendable, Codable {
    /// What the job did.
    public var kind: JobKind
    /// The instance; nil for the whole vault.
    public var instance: InstanceName?
    /// Which job.
    public var job: JobID
    /// How it ended.
    public var state: JobState
    /// When.
    public var at: Timestamp
    /// The error code it ended with.
    public var errorCode: String?
    /// Why it was skipped.
    public var skipReason: String?
    /// The failure in one line.
    public var message: String?
    /// When the newest that did all that was asked ended; nil when none is known.
    public internal(set) var lastGoodAt: Timestamp?

    enum CodingKeys: String, CodingKey {
        case kind, instance, job, state, at, message
        case errorCode = "error_code"
        case skipReason = "skip_reason"
        case lastGoodAt = "last_good_at"
    }

    /// The end of a job.
    public init(
        kind: JobKind,
        instance: InstanceName?,
        job: JobID,
        state: JobState,
        at: Timestamp,
        errorCode: String? = nil,
        skipReason: String? = nil,
        message: String? = nil
    ) {
        self.kind = kind
        self.instance = instance
        self.job = job
        self.state = state
        self.at = at
        self.errorCode = errorCode
        self.skipReason = skipReason
        self.message = message
        lastGoodAt = state.isSuccess ? at : nil
    }

    /// True when it only says that nothing was done.
    var isSkip: Bool { state == .skipped }

    /// True when it says the same as `other`, of whatever run.
    func isLike(_ other: JobVerdict) -> Bool {
        state == other.state && errorCode == other.errorCode && skipReason == other.skipReason
    }
}

extension AlertBoard {
    /// Seconds by which clocks of hosts may differ: jobs are looked for again from so long before
    /// the last look.
    static let jobSlackSeconds: Int64 = 600
    /// Days of jobs taken in by the first look.
    static let firstJobDays: Int64 = 8

    /// Where to look for jobs from.
    public func jobsWanted(now: Timestamp) -> Timestamp {
        let first = now.adding(seconds: -Self.firstJobDays * 86400)
        guard let jobsSeen, jobsSeen <= now else { return first }
        return max(jobsSeen.adding(seconds: -Self.jobSlackSeconds), first)
    }

    /// Takes in jobs that ended, those at or after `jobsWanted` all among them.
    ///
    /// Runs that were cancelled say nothing. Kept is the newest that was skipped and the newest
    /// that was not. Nothing changes for runs that end as the ones before did, but for an hour.
    public mutating func takeIn(_ ended: [JobVerdict], now: Timestamp) {
        var isChanged = false
        for verdict in ended.sorted(by: { $0.at < $1.at }) where verdict.state != .cancelled {
            let index = verdicts.firstIndex {
                $0.kind == verdict.kind && $0.instance == verdict.instance
                    && $0.isSkip == verdict.isSkip
            }
            if let index {
                let known = verdicts[index]
                guard known.at <= verdict.at, known.job != verdict.job else { continue }
                let isStale = verdict.at.seconds(since: known.at) >= 3600
                // A skip after a run of another kind counts by its time.
                guard !known.isLike(verdict) || isStale || verdict.isSkip else { continue }
                verdicts[index] = verdict
                verdicts[index].lastGoodAt = verdict.lastGoodAt ?? known.lastGoodAt
            } else {
                verdicts.append(verdict)
            }
            isChanged = true
        }
        let isStale = jobsSeen.map { abs(now.seconds(since: $0)) >= 3600 } ?? true
        if isChanged || isStale { jobsSeen = now }
        if isChanged {
            verdicts.sort { left, right in
                (left.instance?.description ?? "", left.kind.rawValue, left.isSkip ? 1 : 0)
                    < (right.instance?.description ?? "", right.kind.rawValue, right.isSkip ? 1 : 0)
            }
        }
    }

    /// How the newest job of a kind ended that was not skipped.
    public func verdict(_ kind: JobKind, _ instance: InstanceName?) -> JobVerdict? {
        verdicts.first { $0.kind == kind && $0.instance == instance && !$0.isSkip }
    }

    /// The newest job of a kind that was skipped, unless one was done since.
    public func skip(_ kind: JobKind, _ instance: InstanceName?) -> JobVerdict? {
        let skip = verdicts.first { $0.kind == kind && $0.instance == instance && $0.isSkip }
        guard let skip else { return nil }
        let done = verdict(kind, instance)?.at
        return done.map { $0 >= skip.at } ?? false ? nil : skip
    }

    /// Forgets instances that are gone.
    public mutating func forgetJobs(but names: Set<InstanceName>) {
        if verdicts.contains(where: { $0.instance.map { !names.contains($0) } ?? false }) {
            verdicts.removeAll { $0.instance.map { !names.contains($0) } ?? false }
        }
    }
}
