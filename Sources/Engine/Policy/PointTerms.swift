import Domain
import Platform
import Vaulting

/// What is agreed about a point when it is made: its name, and how long it is kept.
struct PointTerms {
    private let context: JobContext
    private let instance: InstanceRecord
    private let options: BackupOptions

    init(_ context: JobContext, _ instance: InstanceRecord, _ options: BackupOptions) {
        self.context = context
        self.instance = instance
        self.options = options
    }

    /// Throws unless a point can be made as asked: `.busy` for a name there is, `.refused` when
    /// there are as many on demand as the policy allows, `.usage` for a wrong name, rule or time.
    ///
    /// Only the holder of the instance's backup role can rely on the answer.
    func check() throws {
        guard options.name != nil || options.keepUntil != nil || options.rule != nil else { return }
        let policy = try Policies.of(context, instance)
        if let rule = options.rule, policy.days(of: rule) == nil {
            throw PgkeepError(
                .usage,
                "the policy \(policy.name) has no rule \(rule.rawValue)",
                hint: "give it one: pgkeep policy set \(policy.name) --keep-\(rule.rawValue) N"
            )
        }
        if let until = options.keepUntil, until <= context.clock.now {
            throw PgkeepError(.usage, "\(until) is over", hint: "give --keep-until a later time")
        }
        let points = try Points.list(context, instance).points
        if let name = options.name {
            try checkName(name)
            if let known = points.first(where: { $0.name == name }) {
                throw PgkeepError(
                    .busy,
                    "\(instance.name) has a recovery point called \"\(name)\": \(known.id)",
                    hint: "choose another name, or delete that one"
                )
            }
        }
        let kept = points.filter {
            $0.trigger == .manual && ($0.name != nil || $0.keepUntil != nil)
        }
        guard kept.count < policy.onDemandMax || options.trigger != .manual else {
            throw PgkeepError(
                .refused,
                "\(instance.name) has \(kept.count) recovery points on demand, as many as the"
                    + " policy \(policy.name) allows",
                hint: "delete one, or raise it: pgkeep policy set \(policy.name) --on-demand-max N"
            )
        }
    }

    private func checkName(_ name: String) throws {
        let isPlain = name.utf8.allSatisfy {
            (65...90).contains($0) || (97...122).contains($0) || (48...57).contains($0)
                || "._-".utf8.contains($0)
        }
        guard isPlain, (1...63).contains(name.utf8.count) else {
            throw PgkeepError(
                .usage,
                "\"\(name)\" is no name for a recovery point",
                hint: "use 1 to 63 letters, digits, and . _ -"
            )
        }
    }

    /// Writes down in a point about to be committed what is agreed. What goes wrong costs no
    /// backup: without a policy that can be read, the point is kept until somebody deletes it.
    func apply(to point: inout RecoveryPoint) -> [String] {
        point.name = options.name
        point.keepUntil = options.keepUntil
        do {
            let found = try Policies.foundOf(context, instance)
            let id = point.id
            var finished = point
            finished.finishedAt = context.clock.now
            let (stamp, expiresAt) = try found.policy.stamp(
                finished,
                others: try Points.list(context, instance).points.filter { $0.id != id },
                revision: found.revision,
                rule: options.rule,
                zone: try Policies.zone(found.policy)
            )
            point.policy = stamp
            point.expiresAt = max(expiresAt, options.keepUntil ?? expiresAt)
            return []
        } catch {
            return ["the point has no expiry, since its policy cannot be applied: \(error)"]
        }
    }
}
