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
        let records = try Instances.all(context)
        let systems =
            try instance.map { [$0.systemIdentifier] } ?? PointStore.systems(context.vault)
        var report = PruneReport(isDry: isDry)
        report.trash = trash
        var evidence: Timestamp?
        for system in systems {
            let record = records.first { $0.systemIdentifier == system }
            let name = record?.name.description ?? system.hex
            context.meter.note(name)
            do {
                let expiry = try record.map { try Expiry(context, $0, question) }
                let outcome = try prune(system, record, expiry)
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
        if !isDry { try judge(question, evidence).mark.write(context) }
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
        _ expiry: Expiry?
    ) throws -> PruneOutcome {
        if let record, !isDry { try expiry?.condemn(context, record) }
        var options = Pruner.Options()
        options.isDry = isDry
        options.segmentSize = record?.segmentSize
        expiry?.fill(&options)
        if walDays != nil { options.since = try since(system) }
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

    /// Counted from what the server's clock showed last, unless ours shows less: so no clock that
    /// runs ahead lets anything go early.
    private func since(_ system: SystemIdentifier) throws -> Timestamp? {
        guard let walDays else { return nil }
        let newest = try PointStore.list(context.vault, system)
            .compactMap { try? $0.point.get().consistentAt }.max()
        guard let newest else { return nil }
        return min(newest, context.clock.now).adding(seconds: -Int64(walDays) * 86400)
    }
}
