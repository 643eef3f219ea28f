import Domain
import Logging
import Platform
import Storage
public import Vaulting

/// Gives the space of deleted points, dead sessions and old WAL back, instance by instance.
///
/// Any number may run at once, on any hosts, beside all other jobs. Killed anywhere, it leaves a
/// vault in which every visible point restores; the next run goes on from there.
public struct PruneJob {
    private let context: JobContext
    private let instance: InstanceRecord?
    private let isDry: Bool
    private let walDays: Int?

    /// Days `walDays` may name at most.
    public static let walDaysMax = 36_500

    /// A run over the whole vault, or over one instance.
    ///
    /// - Parameter walDays: days, counted back from the newest point, for which every moment stays
    ///   within reach; older points keep just the WAL that makes them consistent. Nil: all WAL that
    ///   any point leads to.
    public init(
        context: JobContext,
        instance: InstanceRecord? = nil,
        isDry: Bool = false,
        walDays: Int? = nil
    ) {
        self.context = context
        self.instance = instance
        self.isDry = isDry
        self.walDays = walDays
    }

    /// Prunes. An instance that cannot be pruned is in the report and does not keep the others from
    /// it; throws when nothing can be done at all: store out of reach, cancelled.
    public func run() throws -> PruneReport {
        context.meter.begin("prune")
        let trash = try TrashPurge.run(
            context,
            context.clock.now,
            isDry: isDry,
            instance: instance
        )
        let records = try Instances.all(context)
        let systems =
            try instance.map { [$0.systemIdentifier] } ?? PointStore.systems(context.vault)
        var report = PruneReport(isDry: isDry)
        report.trash = trash
        for system in systems {
            let record = records.first { $0.systemIdentifier == system }
            let name = record?.name.description ?? system.hex
            context.meter.note(name)
            do {
                let outcome = try prune(system, record)
                report.instances.append(PruneReport.Instance(name, system, outcome))
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
        return report
    }

    private func prune(_ system: SystemIdentifier, _ record: InstanceRecord?) throws
        -> PruneOutcome
    {
        var options = Pruner.Options()
        options.isDry = isDry
        options.segmentSize = record?.segmentSize
        options.since = try since(system)
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

/// Writes down what pruning does to WAL, so that a check can tell it from loss.
struct PrunedWAL {
    private static let attemptsMax = 16

    private let context: JobContext
    private let system: SystemIdentifier

    init(_ context: JobContext, _ system: SystemIdentifier) {
        self.context = context
        self.system = system
    }

    /// What a dead stream told in its lease, which goes now.
    func keepMarks(_ lease: LeaseRecord) throws {
        guard lease.kind == .stream, let status = lease.status(as: StreamStatus.self) else {
            return
        }
        try write { try StreamMark(status)?.keepIfFurther(context, system) }
        try write { try StreamEvidence(status)?.keep(context, system) }
    }

    /// Holes above WAL that stays (an island of an old point), and the end of a timeline's WAL.
    func record(_ stretches: [PruneOutcome.WALStretch]) throws {
        for hole in stretches where hole.reason == nil {
            let kept = stretches.filter { $0.reason != nil && $0.timeline == hole.timeline }
            guard let below = kept.filter({ $0.start < hole.start }).map(\.end).max() else {
                continue
            }
            // A part does not reach its segment's end; WAL that is there is no loss anyway.
            let from = LSN(min(below, hole.start).rawValue - 1)
            let to = kept.map(\.start).filter { $0 >= hole.end }.min() ?? hole.end
            try write {
                try LossRecord(
                    systemIdentifier: system,
                    timeline: hole.timeline,
                    from: try segmentStart(from),
                    to: to,
                    cause: .pruned,
                    at: context.clock.now
                ).store(in: context.vault, clock: context.clock)
            }
        }
        try write {
            try StreamMark.forget(context, system) { mark in
                let own = stretches.filter { $0.timeline == mark.timeline }
                return own.contains { $0.reason == nil && $0.start < mark.lsn }
                    && !own.contains { $0.reason != nil && $0.end >= mark.lsn }
            }
        }
    }

    /// Losses before everything that is kept are of no interest any more.
    func forgetBefore(_ stretches: [PruneOutcome.WALStretch]) throws {
        guard let first = stretches.filter({ $0.reason != nil }).map(\.start).min() else { return }
        try write {
            try LossRecord.removeBefore(first, system, in: context.vault, clock: context.clock)
        }
    }

    /// The start of the smallest segment there can be around `position`.
    private func segmentStart(_ position: LSN) throws -> LSN {
        let sizes = try Instances.all(context).filter { $0.systemIdentifier == system }
        let size = sizes.first?.segmentSize ?? .standard
        return WALSegment(timeline: 1, containing: position, size: size).start
    }

    /// Small records that must be written before space is freed: the reserve is for them. Other
    /// pruners may be writing the very same.
    private func write(_ body: () throws -> Void) throws {
        for attempt in 1... {
            do {
                return try body()
            } catch let error as PgkeepError where error.code == .storeFull {
                guard try context.vault.store.releaseReserve() else { throw error }
            } catch let error as PgkeepError where [.busy, .exists].contains(error.code) {
                if attempt == Self.attemptsMax { throw error }
            }
        }
    }
}
