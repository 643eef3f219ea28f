import Domain
import Logging
import Platform
import Vaulting

/// What of one instance expires now, by its policy: read and judged, nothing is changed.
struct Expiry {
    /// Points that go.
    var dropped: [PointID] = []
    /// Why each point stays or goes.
    var reasons: [PointID: [Retention.Reason]] = [:]
    /// The first moment that must stay within reach; nil when all must.
    var since: Timestamp?
    /// Points found damaged.
    var damaged: Set<PointID> = []
    /// Moments that are held.
    var moments: [ClosedRange<Timestamp>] = []
    /// The latest moment the server's clock has shown.
    var evidence: Timestamp?
    /// The first moment of the last interval that would be left.
    var earliest: Timestamp?
    /// When the points are consistent.
    var times: [Timestamp] = []
    /// True when nothing could be decided now.
    var isUndecided = false
    /// What the operator should know.
    var warnings: [String] = []

    /// What is judged by.
    struct Question {
        /// What was remembered of the clock.
        var mark: ClockMark?
        /// The operator vouches for the clock.
        var trustsClock = false
        /// Terms to judge by instead of the policy's.
        var terms: Retention.Terms?
    }

    /// Judges an instance. Where something is damaged, or its policy is not there, nothing expires.
    init(_ context: JobContext, _ instance: InstanceRecord, _ question: Question) throws {
        do {
            try judge(context, instance, question)
        } catch let error as PgkeepError where error.isDamage || error.code == .notFound {
            self = Expiry()
            isUndecided = true
            warnings = ["nothing of \(instance.name) expires: \(error)"]
        }
    }

    private init() {}

    private mutating func judge(
        _ context: JobContext,
        _ instance: InstanceRecord,
        _ question: Question
    ) throws {
        var terms =
            try question.terms ?? Retention.Terms(Policies.of(context, instance))
        // Protection that was stopped keeps one point, whatever the policy of running ones says.
        if instance.state == .stoppedPolicy { terms.minRedundancy = 1 }
        let survey = try ArchiveSurvey(context, instance)
        let points = try SoundPoints.marked(context, survey.points, count: terms.minRedundancy)
        times = points.map(\.consistentAt)
        let window = RecoveryWindow(points: points, wal: survey.wal, timelines: survey.timelines)
        evidence =
            (points.map(\.consistentAt) + survey.wal.evidence.map(\.time)
            + window.intervals.map { $0.streamedUntil ?? $0.latest }).max()
        let clock = ClockMark.judge(
            context.clock.now,
            monotonicSeconds: context.clock.monotonicSeconds,
            boot: ClockMark.boot,
            last: question.mark,
            evidence: evidence,
            isTrusted: question.trustsClock
        )
        var now = clock.now
        // Of a server that is down, or of which nothing is heard, nothing expires: its own clock
        // says how much time has passed for it. One that is no longer protected says nothing.
        if instance.state == .active, !question.trustsClock, let evidence {
            now = min(now, evidence)
        }
        let holds = try Holds.list(context, instance.name)
        let retention = Retention(
            points: points,
            intervals: window.intervals,
            holds: holds,
            verified: try SoundPoints.verified(context, instance.systemIdentifier),
            terms: terms,
            freeze: Self.freeze(instance),
            now: now
        )
        dropped = retention.dropped
        since = retention.since
        damaged = Set(points.filter { $0.state == .damaged }.map(\.id))
        moments = holds.compactMap(\.moments)
        for verdict in retention.verdicts { reasons[verdict.point] = verdict.reasons }
        let anchor = retention.verdicts.first { $0.reasons.contains(.anchor) }?.point
        earliest =
            points.first { $0.id == anchor }?.consistentAt ?? window.intervals.last?.earliest
        if let warning = clock.warning { warnings.append(warning) }
    }

    /// Why nothing of an instance may go; nil: it may.
    private static func freeze(_ instance: InstanceRecord) -> String? {
        switch instance.state {
        case .active, .stoppedPolicy: nil
        case .stoppedForever: "protection is stopped, and everything is kept"
        case .deleted: "the instance is in the trash"
        }
    }

    /// Tells a pruner, or a dry run, what was judged.
    func fill(_ options: inout Pruner.Options) {
        if options.isDry { options.assumedGone = Set(dropped) }
        options.since = since
        options.moments = moments
        options.damaged = damaged
    }

    /// What is decided by it, for the gate.
    ///
    /// - Parameter since: the first moment that stays within reach of WAL; nil when all do.
    func decision(_ since: Timestamp?) -> LettingGo.Decision {
        let points = dropped.compactMap { id -> LettingGo.Doomed? in
            guard case .expired(let at)? = reasons[id]?.first else { return nil }
            return LettingGo.Doomed(point: id, reason: "expired at \(at)")
        }
        // WAL is kept from a point on, so the horizon moves from one to the next.
        let horizon = since.flatMap { since in times.filter { $0 <= since }.max() }
        return LettingGo.Decision(points: points, horizon: horizon)
    }

    /// Nothing goes but what was decided before, since nothing can be decided now.
    static func undecided(
        _ context: JobContext,
        _ instance: InstanceRecord,
        _ warning: String
    ) throws -> Expiry {
        var expiry = Expiry()
        expiry.isUndecided = true
        expiry.warnings = [warning]
        expiry.since = try LettingGo(context, instance.systemIdentifier).horizon
        expiry.moments = try Holds.list(context, instance.name).compactMap(\.moments)
        return expiry
    }
}

extension Retention.Reason {
    /// The reason in words.
    var text: String {
        switch self {
        case .notExpired(let time): "kept until \(time)"
        case .noExpiry: "has no expiry"
        case .newest: "the newest that can be restored"
        case .newestVerified: "the newest a check has read whole"
        case .anchor: "the recovery window begins with it"
        case .witness: "it shows that the server was idle until then"
        case .redundancy(let count): "one of the newest \(count)"
        case .held(let title): "held: \(title)"
        case .frozen(let why): why
        case .expired(let time): "expired at \(time)"
        }
    }
}
