public import Domain
import Logging
import Platform
public import Vaulting

/// Takes the backups that are due, for cron and the agent: whatever calls it how often, on however
/// many hosts, each slot is served once.
///
/// Decisions are made on what the vault says, twice: first without a lock, so that a call with
/// nothing to do writes nothing; then again while holding the instance's role `due`, so that of
/// all who found the same slot due only one goes on.
public struct DueBackups: Sendable {
    /// What the vault says of an instance's due work.
    private struct View {
        var rule: DueRule
        var verdict: DueRule.Verdict
        var points: [RecoveryPoint]
        var tries: [JobRecord]
        var now: Timestamp
        /// Set when another backup of the instance runs.
        var isBusy = false

        func hasSkipped(_ reason: SkipReason, _ slot: DueRule.Slot) -> Bool {
            rule.hasSkipped(reason, in: slot, tries, now: now)
        }
    }

    private let context: JobContext
    private let options: DueOptions
    private let actions: Actions

    /// Due work in a vault.
    public init(context: JobContext, options: DueOptions = DueOptions()) {
        self.init(context: context, options: options, actions: .real)
    }

    package init(context: JobContext, options: DueOptions, actions: Actions) {
        self.context = context
        self.options = options
        self.actions = actions
    }

    /// Does what is due for the instances named, or for all, one after the other.
    ///
    /// A backup that fails is told in its entry and keeps no other from being taken; so does, when
    /// all are meant, a damaged record of an instance. Throws what keeps the vault from being read,
    /// `.notFound` for a name, `.cancelled`.
    public func run(_ names: [InstanceName] = []) throws -> [DueEntry] {
        let (instances, damaged) = try Instances.wanted(context, names)
        var entries: [DueEntry] = []
        for instance in instances {
            try context.token.check()
            entries.append(try run(instance))
        }
        try context.token.check()
        for (name, error) in damaged {
            var entry = DueEntry(name, .failed)
            entry.error = error
            entry.isNews = true
            entries.append(entry)
        }
        return entries
    }

    /// Does what is due for one instance.
    public func run(_ instance: InstanceRecord) throws -> DueEntry {
        // Who cancels the backup of one instance does not mean those of the others.
        let token = CancellationToken()
        let own = DueBackups(
            context: JobContext(
                vault: context.vault,
                clock: context.clock,
                log: context.log,
                meter: context.meter,
                token: token,
                pace: context.pace
            ),
            options: options,
            actions: actions
        )
        return try context.token.whileCancellable({ token.cancel() }) {
            do {
                return try own.runAlone(instance)
            } catch let error as PgkeepError
                where error.code == .cancelled && !context.token.isCancelled
            {
                var entry = DueEntry(instance.name, .cancelled)
                entry.error = error
                entry.isNews = true
                return entry
            }
        }
    }

    private func runAlone(_ instance: InstanceRecord) throws -> DueEntry {
        guard instance.isProtected else { return DueEntry(instance.name, .stopped) }
        do {
            if let entry = try done(try look(instance), instance) { return entry }
            return try locked(instance)
        } catch let error as PgkeepError where error.code != .cancelled && !error.isOfVault {
            // A policy that is gone or a point that cannot be read is this instance's trouble.
            var entry = DueEntry(instance.name, .failed)
            entry.error = error
            entry.isNews = true
            return entry
        }
    }

    private func locked(_ instance: InstanceRecord) throws -> DueEntry {
        let system = instance.systemIdentifier
        let lease = try Lease.begin(context.vault, system, kind: .due, clock: context.clock)
        defer { try? lease.end() }
        let claim: Claim
        do {
            claim = try Claim.acquire(.due, lease: lease, token: context.token)
        } catch let error as PgkeepError where error.code == .busy {
            var entry = DueEntry(instance.name, .busy)
            entry.error = error
            return entry
        }
        defer { try? claim.release() }
        // Others may have changed or deleted the instance, or served the slot, since.
        let current = try Instances.findAny(context, instance.name)
        guard current.isProtected, current.systemIdentifier == system else {
            return DueEntry(instance.name, .stopped)
        }
        let view = try look(current)
        if let entry = try done(view, current) { return entry }
        return try act(view, current)
    }

    // MARK: - Deciding

    private func look(_ instance: InstanceRecord) throws -> View {
        let policy = try Policies.of(context, instance)
        let rule = DueRule(
            policy: policy,
            zone: try Policies.zone(policy),
            jitterSeconds: options.jitterSeconds
        )
        let now = context.clock.now
        let points = try Points.list(context, instance).points
        let lostAt = try LossRecord.unanchored(context.vault, instance.systemIdentifier, points)
        let slot = rule.slot(instance, points: points, lostAt: lostAt, now: now)
        let tries = try slot.map { slot in
            try Jobs.list(
                context,
                since: slot.time,
                instance: instance.name,
                kinds: [.backup]
            )
        }
        var view = View(
            rule: rule,
            verdict: rule.verdict(
                instance,
                points: points,
                tries: tries ?? [],
                lostAt: lostAt,
                now: now
            ),
            points: points,
            tries: tries ?? [],
            now: now
        )
        if case .due = view.verdict { view.isBusy = try isBusy(instance) }
        return view
    }

    /// True when somebody living holds the backup role.
    private func isBusy(_ instance: InstanceRecord) throws -> Bool {
        let system = instance.systemIdentifier
        guard let holder = try Claim.holder(context.vault, system, .backup),
            let lease = try Lease.read(context.vault, system, holder.session)
        else { return false }
        return !lease.isDead(now: context.clock.now)
    }

    /// The answer when nothing is left to do or to put on record.
    private func done(_ view: View, _ instance: InstanceRecord) throws -> DueEntry? {
        switch view.verdict {
        case .nothing(let next):
            var entry = DueEntry(instance.name, .notDue)
            entry.nextAt = next
            return entry
        case .waiting(let slot, let again):
            var entry = DueEntry(instance.name, .waiting)
            entry.slot = slot.time
            entry.nextAt = again
            return entry
        case .outsideHours(let slot):
            return view.hasSkipped(.outsideHours, slot)
                ? skipped(instance, slot, .outsideHours) : nil
        case .due(let slot):
            return view.isBusy && view.hasSkipped(.busy, slot)
                ? skipped(instance, slot, .busy) : nil
        }
    }

    private func skipped(
        _ instance: InstanceRecord,
        _ slot: DueRule.Slot,
        _ reason: SkipReason,
        isNews: Bool = false
    ) -> DueEntry {
        var entry = DueEntry(instance.name, .skipped)
        entry.slot = slot.time
        entry.skipReason = reason.rawValue
        entry.isNews = isNews
        return entry
    }

    // MARK: - Doing

    private func act(_ view: View, _ instance: InstanceRecord) throws -> DueEntry {
        switch view.verdict {
        case .nothing, .waiting: preconditionFailure("nothing is due")
        case .outsideHours(let slot): return skip(view, instance, slot, .outsideHours)
        case .due(let slot):
            if view.isBusy { return skip(view, instance, slot, .busy) }
            let automatic = view.points.filter {
                $0.trigger != .manual && $0.state == .completed
            }
            let wantsAny = options.evenIfUnchanged || slot.trigger == .anchor
            let last = wantsAny ? nil : automatic.max { $0.stopLSN < $1.stopLSN }
            switch try actions.look(context, instance, last) {
            case .stopped: return skip(view, instance, slot, .serverStopped)
            case .unchanged: return skip(view, instance, slot, .noChange)
            case .ready:
                // Without a point, or behind a gap, protection comes before the server's comfort.
                if slot.trigger == .scheduled, let load = loadLimits(view.rule.policy),
                    try actions.isBusy(context, instance, load)
                {
                    return skip(view, instance, slot, .sourceBusy)
                }
                return try backUp(view, instance, slot)
            }
        }
    }

    /// What the server may have to do when a backup begins; nil: anything.
    private func loadLimits(_ policy: Policy) -> SourceLoad.Limits? {
        let limits = SourceLoad.Limits(
            sessions: options.maxLoad ?? policy.maxLoad,
            lagSeconds: options.maxLagSeconds ?? policy.maxLagSeconds
        )
        return limits.sessions == nil && limits.lagSeconds == nil ? nil : limits
    }

    /// Puts a reason on record, unless it is there for this slot already.
    private func skip(
        _ view: View,
        _ instance: InstanceRecord,
        _ slot: DueRule.Slot,
        _ reason: SkipReason
    ) -> DueEntry {
        guard !view.hasSkipped(reason, slot) else { return skipped(instance, slot, reason) }
        do {
            try Job.recordSkipped(
                context,
                kind: .backup,
                instance: instance.name,
                trigger: slot.trigger.rawValue,
                reason: reason.rawValue
            )
        } catch {
            context.log.warning("a skipped job is not on record", metadata: ["why": "\(error)"])
        }
        return skipped(instance, slot, reason, isNews: true)
    }

    private func backUp(
        _ view: View,
        _ instance: InstanceRecord,
        _ slot: DueRule.Slot
    ) throws -> DueEntry {
        var options = options.backup
        options.trigger = slot.trigger
        options.maxRate = options.maxRate ?? view.rule.policy.maxRate
        let queued = view.tries.first {
            $0.state == .queued && $0.trigger == slot.trigger.rawValue
        }
        var entry = DueEntry(instance.name, .completed)
        entry.slot = slot.time
        entry.isNews = true
        do {
            let result = try actions.backUp(context, instance, options, queued?.id)
            entry.point = result.point
            entry.warnings = result.warnings + result.hints.map { "hint: \($0)" }
        } catch let error as PgkeepError where error.code == .busy {
            // An operator's backup began at this very moment; it goes on, and the slot stays due.
            return skipped(instance, slot, .busy, isNews: true)
        } catch let error as PgkeepError where error.code != .cancelled {
            entry.outcome = .failed
            entry.error = error
            // The failure is what matters, whatever else cannot be read any more.
            entry.nextAt = try? next(instance)
        }
        return entry
    }

    /// When the next try is due.
    private func next(_ instance: InstanceRecord) throws -> Timestamp? {
        switch try look(instance).verdict {
        case .nothing(let next): next
        case .waiting(_, let again): again
        case .outsideHours, .due: nil
        }
    }
}

extension InstanceRecord {
    /// True when backups and WAL are to be taken.
    package var isProtected: Bool { state == .active }
}

extension PgkeepError {
    /// True when it is the vault that cannot be used, which no other instance will find different.
    fileprivate var isOfVault: Bool {
        [.storeUnreachable, .storeFull, .wrongKey, .vaultVersion].contains(code)
    }
}
