import Domain
import Logging
import Platform
import Storage
public import Vaulting

/// Lets expired points go, and gives the space of deleted points, dead sessions and old WAL back,
/// instance by instance.
///
/// Any number may run at once, on any hosts, beside all other jobs. Killed anywhere, it leaves a
/// vault in which every visible point restores; the next run goes on from there.
public struct PruneJob {
    private let context: JobContext
    private let instance: InstanceRecord?
    private let isDry: Bool
    private let walDays: Int?
    private let trustsClock: Bool

    /// Days `walDays` may name at most.
    public static let walDaysMax = 36_500

    /// A run over the whole vault, or over one instance.
    ///
    /// - Parameters:
    ///   - walDays: days, counted back from the newest point, for which every moment stays within
    ///     reach; older points keep just the WAL that makes them consistent. Nil: as many as the
    ///     policy says.
    ///   - trustsClock: the operator vouches for the clock, however far it has jumped and whatever
    ///     the server's clock says.
    public init(
        context: JobContext,
        instance: InstanceRecord? = nil,
        isDry: Bool = false,
        walDays: Int? = nil,
        trustsClock: Bool = false
    ) {
        self.context = context
        self.instance = instance
        self.isDry = isDry
        self.walDays = walDays
        self.trustsClock = trustsClock
    }

    /// Prunes. An instance that cannot be pruned is in the report and does not keep the others from
    /// it; throws when nothing can be done at all: store out of reach, cancelled.
    public func run() throws -> PruneReport {
        context.meter.begin("prune")
        let question = Expiry.Question(mark: try ClockMark.read(context), trustsClock: trustsClock)
        let trash = try TrashPurge.run(
            context,
            judge(question, nil).now,
            isDry: isDry,
            instance: instance
        )
        let (records, damaged) = try Instances.readable(context)
        let systems =
            try instance.map { [$0.systemIdentifier] } ?? PointStore.systems(context.vault)
        var report = PruneReport(isDry: isDry)
        report.trash = trash
        if instance == nil {
            for (name, error) in damaged {
                report.failed[name.description] = error.description
                report.error = report.error ?? error
            }
        }
        var evidence: Timestamp?
        for system in systems {
            let record = records.first { $0.systemIdentifier == system }
            // It may be the one whose record is damaged: what protects it is not known.
            if record == nil, !damaged.isEmpty { continue }
            let name = record?.name.description ?? system.hex
            context.meter.note(name)
            do {
                let (expiry, outcome) = try prune(system, record, question)
                evidence = [evidence, expiry?.evidence].compactMap { $0 }.max()
                report.instances.append(PruneReport.Instance(name, system, outcome, expiry))
                if outcome.hasDropped, !isDry {
                    context.log.info(
                        "pruned",
                        metadata: ["instance": "\(name)", "bytes": "\(outcome.droppedBytes)"]
                    )
                }
            } catch let error as PgkeepError
                where [.integrity, .vaultVersion, .wrongKey].contains(error.code)
            {
                report.failed[name] = error.description
                report.error = report.error ?? error
            }
        }
        report.instances.sort { $0.name < $1.name }
        let verdict = judge(question, evidence)
        report.believedNow = verdict.now
        if !isDry { try verdict.mark.write(context) }
        return report
    }

    private func judge(
        _ question: Expiry.Question,
        _ evidence: Timestamp?
    ) -> ClockMark.Verdict {
        ClockMark.judge(
            context.clock.now,
            monotonicSeconds: context.clock.monotonicSeconds,
            boot: ClockMark.boot,
            last: question.mark,
            evidence: evidence,
            isTrusted: trustsClock
        )
    }

    private func prune(
        _ system: SystemIdentifier,
        _ record: InstanceRecord?,
        _ question: Expiry.Question
    ) throws -> (Expiry?, PruneOutcome) {
        guard let record else { return (nil, try sweep(system, nil, nil)) }
        do {
            let expiry = try decide(record, question)
            return (expiry, try sweep(system, record, expiry))
        } catch let error as PgkeepError where error.code == .storeFull && !isDry {
            // What was decided before makes the room a decision needs.
            let text = "the store had no room for a decision at first"
            let before = try Expiry.undecided(context, record, text)
            let first = try sweep(system, record, before)
            let expiry = try decide(record, question)
            var outcome = try sweep(system, record, expiry)
            outcome.add(first)
            return (expiry, outcome)
        }
    }

    /// Judges an instance, and condemns what goes unless this is a dry run. From then on it is
    /// invisible; the sweep that follows frees its space.
    private func decide(
        _ record: InstanceRecord,
        _ question: Expiry.Question
    ) throws -> Expiry {
        if isDry { return try Expiry(context, record, question) }
        let gate = LettingGo(context, record.systemIdentifier)
        let records = context.vault.instances(clock: context.clock)
        do {
            let expiry = try gate.decide {
                try context.token.check()
                // What protects may have changed since the instances were listed.
                let found = try records.read(record.name.description)?.value ?? record
                let expiry = try Expiry(context, found, question)
                let horizon = try since(record.systemIdentifier, expiry)
                return (expiry.decision(horizon), expiry)
            }
            for id in expiry.dropped {
                context.log.info(
                    "point expired",
                    metadata: ["instance": "\(record.name)", "point": "\(id)"]
                )
            }
            return expiry
        } catch let error as PgkeepError where error.code == .busy {
            let text = "nothing of \(record.name) expires now: \(error.message)"
            return try Expiry.undecided(context, record, text)
        }
    }

    private func sweep(
        _ system: SystemIdentifier,
        _ record: InstanceRecord?,
        _ expiry: Expiry?
    ) throws -> PruneOutcome {
        var options = Pruner.Options()
        options.isDry = isDry
        options.segmentSize = record?.segmentSize
        expiry?.fill(&options)
        options.since = try since(system, expiry)
        let meter = context.meter
        let pruner = Pruner(
            context.vault,
            system,
            options: options,
            clock: context.clock,
            token: context.token
        ) { meter.add($0) }
        let traces = PrunedWAL(context, system)
        pruner.onEnded = traces.keepMarks
        pruner.onDroppingWAL = traces.record
        let outcome = try pruner.prune()
        if !isDry { try traces.forgetBefore(outcome.wal) }
        return outcome
    }

    /// The first moment that stays within reach; nil when all do.
    ///
    /// `walDays` counts from what the server's clock showed last, unless ours shows less: so no
    /// clock that runs ahead lets anything go early.
    private func since(
        _ system: SystemIdentifier,
        _ expiry: Expiry?
    ) throws -> Timestamp? {
        guard let walDays, expiry?.isUndecided != true else { return expiry?.since }
        let newest = try PointStore.list(context.vault, system)
            .compactMap { try? $0.point.get().consistentAt }.max()
        guard let newest else { return nil }
        return min(newest, context.clock.now).adding(seconds: -Int64(walDays) * 86400)
    }
}
