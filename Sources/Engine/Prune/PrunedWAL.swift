import Domain
import Platform
import Storage
import Vaulting

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
        let records = try Instances.readable(context).records
        let record = records.first { $0.systemIdentifier == system }
        let size = record?.segmentSize ?? .standard
        return size.segmentStart(position)
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
