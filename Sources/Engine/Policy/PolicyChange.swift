public import Domain
import Platform
import Sealing
public import Vaulting

/// A change of a policy, or of an instance's policy: what it would do, and doing it.
///
/// It never touches the expiry of points there are. What it moves is how far back every moment
/// stays within reach; a change that keeps less must be looked at first, and the look's token be
/// given.
public struct PolicyChange {
    /// What a change would do to one instance.
    public struct Effect: Sendable, Encodable {
        /// The instance.
        public var instance: InstanceName
        /// Points that would stay now and would go.
        public var pointsGained: [PointID]
        /// Points that would go and stay now.
        public var pointsLost: [PointID]
        /// Bytes the next pruning would free more than now; negative: keep more.
        public var bytes: Int64
        /// The first moment within reach now, of those that lead up to the present.
        public var earliestNow: Timestamp?
        /// The first moment within reach then.
        public var earliestThen: Timestamp?

        enum CodingKeys: String, CodingKey {
            case instance
            case pointsGained = "points_gained"
            case pointsLost = "points_lost"
            case bytes = "bytes_freed"
            case earliestNow = "earliest_now"
            case earliestThen = "earliest_then"
        }
    }

    /// What a change would do, and what came of it.
    public struct Answer: Sendable, Encodable {
        /// Before.
        public var old: Policies.Found
        /// After.
        public var new: Policies.Found
        /// True when less is kept than before.
        public var isShorter: Bool
        /// By instance.
        public var effects: [Effect]
        /// What makes this very change possible.
        public var token: String
        /// True when it was made.
        public var isApplied: Bool

        enum CodingKeys: String, CodingKey {
            case old, new, effects, token
            case isShorter = "shorter"
            case isApplied = "applied"
        }
    }

    private let context: JobContext
    private let old: Policies.Found
    private let new: Policies.Found
    private let members: [InstanceRecord]
    /// The instance that gets another policy; nil when the policy itself is changed.
    private let instance: InstanceRecord?

    /// A change of the policy called `name`.
    public init(
        _ context: JobContext,
        policy name: PolicyName,
        _ change: (inout Policy) throws -> Void
    ) throws {
        self.context = context
        old = try Policies.found(context, name)
        var policy = old.policy
        try change(&policy)
        policy.name = name
        try Policies.check(context, policy)
        new = Policies.Found(policy: policy, revision: old.revision + 1)
        members = try Policies.members(context, name)
        instance = nil
    }

    /// Another policy for an instance.
    public init(_ context: JobContext, instance: InstanceRecord, policy name: PolicyName) throws {
        self.context = context
        self.instance = instance
        old = try Policies.foundOf(context, instance)
        new = try Policies.found(context, name)
        members = [instance]
    }

    /// Binds a look to what was looked at: any other change in between makes it void.
    private var token: String {
        let subject = instance.map { "instance \($0.name)" } ?? "policy \(old.policy.name)"
        let text = [
            context.vault.id.description, subject, "\(old.policy.name) \(old.revision)",
            old.policy.text, "\(new.policy.name) \(new.revision)", new.policy.text,
        ].joined(separator: "\n")
        return hexadecimal(SHA256.digest(Array(text.utf8)).prefix(8))
    }

    /// What the change would do. Nothing is written.
    public func look() throws -> Answer {
        Answer(
            old: old,
            new: new,
            isShorter: new.policy.isShorter(than: old.policy),
            effects: try members.map(effect),
            token: token,
            isApplied: false
        )
    }

    private func effect(on instance: InstanceRecord) throws -> Effect {
        let mark = try ClockMark.read(context)
        func expiry(_ policy: Policy) throws -> Expiry {
            try Expiry(
                context,
                instance,
                Expiry.Question(mark: mark, terms: Retention.Terms(policy))
            )
        }
        func freed(_ expiry: Expiry) throws -> Int64 {
            var options = Pruner.Options()
            options.isDry = true
            options.segmentSize = instance.segmentSize
            expiry.fill(&options)
            let outcome = try Pruner(
                context.vault,
                instance.systemIdentifier,
                options: options,
                clock: context.clock,
                token: context.token
            ).prune()
            return Int64(clamping: outcome.droppedBytes)
        }
        let (now, then) = (try expiry(old.policy), try expiry(new.policy))
        let (goingNow, goingThen) = (Set(now.dropped), Set(then.dropped))
        return Effect(
            instance: instance.name,
            pointsGained: goingNow.subtracting(goingThen).sorted(),
            pointsLost: goingThen.subtracting(goingNow).sorted(),
            bytes: try freed(then) - freed(now),
            earliestNow: now.earliest,
            earliestThen: then.earliest
        )
    }

    /// Makes the change. Durable on return.
    ///
    /// Throws `.refused` for one that keeps less unless `token` is that of a look at it, `.busy`
    /// when somebody else was faster.
    public func apply(token given: String?) throws -> Answer {
        var answer = try look()
        if answer.isShorter, given != token {
            let wrong = given == nil ? "" : ", and this is not the token of this change"
            throw PgkeepError(
                .refused,
                "the change keeps less than before\(wrong)",
                hint: "see what it does with --what-if, then give the --token it shows"
            )
        }
        let step: Guards.Step = answer.isShorter ? .shortenPolicy : .change
        for member in members { try Guards.check(context, member, step) }
        if members.isEmpty { try Guards.check(context, nil, step) }
        if let instance {
            let name = new.policy.name.description
            let before = instance.policy
            let records = context.vault.instances(clock: context.clock)
            _ = try records.change(instance.name.description) {
                guard $0.policy == before else {
                    throw PgkeepError(
                        .busy,
                        "the policy of \(instance.name) was changed by somebody else just now",
                        hint: "look at it again, then run the command again"
                    )
                }
                $0.policy = name
            }
            try ActivityLog(context.vault, context.clock).append(
                action: "instance.change-policy",
                instance: instance.name,
                details: [
                    "old": "\(before): \(old.policy.text)", "new": "\(name): \(new.policy.text)",
                    "shorter": "\(new.policy.isShorter(than: old.policy))",
                ]
            )
        } else {
            answer.new.revision = try store()
            try Policies.log(context, "policy.set", old: old.policy, new: new.policy)
        }
        // A pruning that has judged by the old policy judges again.
        for member in members { try LettingGo(context, member.systemIdentifier).protect() }
        answer.isApplied = true
        return answer
    }

    private func store() throws -> UInt64 {
        let store = Policies.store(context)
        let id = old.policy.name.description
        guard let record = try store.read(id), record.value != nil else {
            return try store.create(id, new.policy).revision
        }
        guard record.revision == old.revision else {
            throw PgkeepError(
                .busy,
                "the policy \(id) was changed by somebody else just now",
                hint: "look at it again, then run the command again"
            )
        }
        return try store.update(record, to: new.policy).revision
    }
}
