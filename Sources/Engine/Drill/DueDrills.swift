public import Domain
import Logging
import Platform
public import Vaulting

/// What was due of an instance's drills, and what became of it.
public struct DueDrill: Sendable, Encodable {
    /// How it went.
    public enum Outcome: String, Sendable, Encodable {
        /// A drill was made, and its copy is sound.
        case sound
        /// A drill was made, and its copy is not what it should be.
        case unsound
        /// A drill could not be carried out; there will be another try.
        case failed
        /// The operator ended it.
        case cancelled
        /// Another process is at this instance's drill.
        case busy
        /// The last try could not be carried out, and the next one is not due yet.
        case waiting
        /// Nothing was due.
        case notDue = "not-due"
        /// Its policy asks for no drills.
        case none
    }

    /// The instance.
    public var instance: InstanceName
    /// How it went.
    public var outcome: Outcome
    /// The receipt of the drill that was made.
    public var drill: Drill?
    /// When something is due next, as far as that is known.
    public var nextAt: Timestamp?
    /// What went wrong.
    public var error: PgkeepError?
    /// True when this run did something.
    public var isNews: Bool { drill != nil || error != nil && outcome != .busy }

    init(_ instance: InstanceName, _ outcome: Outcome, nextAt: Timestamp? = nil) {
        self.instance = instance
        self.outcome = outcome
        self.nextAt = nextAt
    }

    fileprivate init(_ instance: InstanceName, failed error: PgkeepError) {
        self.init(instance, .failed)
        self.error = error
    }

    private enum CodingKeys: String, CodingKey {
        case instance, outcome, drill
        case nextAt = "next_at"
        case errorCode = "error_code"
    }

    /// Writes every key, unknown values as null.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(instance, forKey: .instance)
        try container.encode(outcome, forKey: .outcome)
        try container.encode(drill, forKey: .drill)
        try container.encode(nextAt, forKey: .nextAt)
        try container.encode(error?.code.name, forKey: .errorCode)
    }
}

/// Makes the drills that are due, for cron and the agent: whatever calls it how often, on however
/// many hosts, each is made once.
///
/// Due is an instance, stopped ones too, whose policy names days and whose last conclusive drill is
/// older than these, or that has a point and was never drilled.
public struct DueDrills {
    /// Makes a drill, as a job; throws what kept it from being begun.
    public typealias Action = (JobContext, InstanceRecord) throws -> RecordedDrill.Result

    private let context: JobContext
    private let action: Action

    /// After the first try that could not be carried out; each further one waits twice as long.
    private static let firstRetrySeconds: Int64 = 15 * 60
    private static let longestRetrySeconds: Int64 = 86400
    /// What bears a later time than this in the future was made by a clock that was wrong.
    private static let clockSlackSeconds: Int64 = 300

    /// Due drills of a vault, made by `action`.
    public init(context: JobContext, action: @escaping Action) {
        self.context = context
        self.action = action
    }

    /// Makes what is due for the instances named, or for all, one after the other.
    ///
    /// A drill that fails is told in its entry and keeps no other from being made; so does, when
    /// all are meant, a damaged record of an instance. Throws what keeps the vault from being read,
    /// `.notFound` for a name, `.cancelled`.
    public func run(_ names: [InstanceName] = []) throws -> [DueDrill] {
        let (instances, damaged) = try Instances.wanted(context, names)
        return try instances.map { instance in
            try context.token.check()
            do {
                return try run(instance)
            } catch let error as PgkeepError
                where ![.cancelled, .storeUnreachable, .storeFull].contains(error.code)
            {
                return DueDrill(instance.name, failed: error)
            }
        } + damaged.map { DueDrill($0.name, failed: $0.error) }
    }

    private func run(_ instance: InstanceRecord) throws -> DueDrill {
        if let entry = try nothingToDo(instance) { return entry }
        let system = instance.systemIdentifier
        let lease = try Lease.begin(context.vault, system, kind: .due, clock: context.clock)
        defer { try? lease.end() }
        let claim: Claim
        do {
            claim = try Claim.acquire(.drill, lease: lease, token: context.token)
        } catch let error as PgkeepError where error.code == .busy {
            return DueDrill(instance.name, .busy)
        }
        defer { try? claim.release() }
        // Another host may have made it since.
        if let entry = try nothingToDo(instance) { return entry }
        let result = try action(context, instance)
        var entry = DueDrill(instance.name, DueDrill.Outcome(result.drill.outcome))
        entry.drill = result.drill
        entry.error = result.error
        entry.nextAt = try nothingToDo(instance)?.nextAt
        return entry
    }

    /// The answer when nothing is due now; nil when a drill is.
    private func nothingToDo(_ instance: InstanceRecord) throws -> DueDrill? {
        let policy = try Policies.of(context, instance)
        guard let days = policy.drillDays else { return DueDrill(instance.name, .none) }
        let now = context.clock.now
        let limit = now.adding(seconds: Self.clockSlackSeconds)
        let last = try Drills.proven(context, instance.systemIdentifier).last?.at
        let known = last.flatMap { $0 <= limit ? $0 : nil }
        if let known {
            let next = known.adding(seconds: Int64(days) * 86400)
            if next > now { return DueDrill(instance.name, .notDue, nextAt: next) }
        } else if try PointStore.list(context.vault, instance.systemIdentifier).isEmpty {
            return DueDrill(instance.name, .notDue)
        }
        return try waiting(instance, since: known, now: now, limit: limit)
    }

    /// After tries that could not be carried out: when the next one is due, if not yet.
    private func waiting(
        _ instance: InstanceRecord,
        since last: Timestamp?,
        now: Timestamp,
        limit: Timestamp
    ) throws -> DueDrill? {
        let begin = max(
            last ?? instance.createdAt,
            now.adding(seconds: -2 * Self.longestRetrySeconds)
        )
        let tries = try Jobs.list(
            context,
            since: begin,
            instance: instance.name,
            states: [.failed, .cancelled],
            kinds: [.drill]
        ).filter { $0.trigger != "manual" && $0.time > begin && $0.time <= limit }
        guard let newest = tries.map(\.time).max() else { return nil }
        let doubled = Self.firstRetrySeconds << Int64(min(tries.count - 1, 16))
        let again = newest.adding(seconds: min(doubled, Self.longestRetrySeconds))
        return again > now ? DueDrill(instance.name, .waiting, nextAt: again) : nil
    }
}

extension DueDrill.Outcome {
    fileprivate init(_ outcome: Drill.Outcome) {
        self =
            switch outcome {
            case .sound: .sound
            case .unsound: .unsound
            case .failed: .failed
            case .cancelled: .cancelled
            }
    }
}
