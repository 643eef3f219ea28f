public import Domain
import Postgres
public import Vaulting

/// What the vault holds of one instance, as the window and the planner want it: points, WAL,
/// timelines, and answers about single segments.
public struct ArchiveSurvey: WALInspector {
    /// The visible points, oldest first.
    public let points: [RecoveryPoint]
    /// Points whose roots cannot be read, with the reason.
    public let damaged: [(id: PointID, error: PgkeepError)]
    /// The WAL held and lost.
    public let wal: WALHoldings
    /// The timelines.
    public let timelines: TimelineTree
    private let vault: Vault
    private let rates: RestoreRates
    private let instance: InstanceRecord

    /// Looks at everything there is now.
    public init(_ context: JobContext, _ instance: InstanceRecord) throws {
        let system = instance.systemIdentifier
        vault = context.vault
        rates = try Drills.rates(context, system)
        self.instance = instance
        (points, damaged) = try Points.list(context, instance)
        wal = try Self.holdings(context, instance)
        timelines = TimelineTree(try TimelineArchive(vault, system).readableHistories().values)
    }

    /// What is held, as of one moment: read again when journals were sealed or segments deleted
    /// meanwhile, which would look like gaps. A stream may be faster than we are, so not for ever.
    private static func holdings(
        _ context: JobContext,
        _ instance: InstanceRecord
    ) throws -> WALHoldings {
        let (vault, system) = (context.vault, instance.systemIdentifier)
        let walk = SegmentWalk(vault, system)
        for attempt in 1... {
            let isLast = attempt == attemptsMax
            let archive = try WALArchive.load(vault, system, segmentSize: instance.segmentSize)
            do {
                let holdings = try archive.holdings(
                    losses: try LossRecord.list(vault, system),
                    evidence: try StreamEvidence.list(context, system)
                ) { segment, read in
                    var builder = walk.summaries(from: segment)
                    var position = segment.start
                    try read { bytes in
                        try builder.feed(bytes, at: position)
                        position = position + UInt64(bytes.count)
                    }
                    return builder.take()
                }
                if try isLast || archive.isCurrent() { return holdings }
            } catch let error as PgkeepError
                where [.notFound, .busy].contains(error.code) && !isLast
            {
                // A journal was published under its reader.
                continue
            }
        }
        preconditionFailure("the last attempt returns or throws")
    }

    private static let attemptsMax = 8

    /// The set of intervals one can restore into.
    public var window: RecoveryWindow {
        RecoveryWindow(points: points, wal: wal, timelines: timelines)
    }

    /// The plan for a target. An unreachable one is a plan too; its `error` says why.
    public func plan(_ spec: RecoveryTargetSpec) throws -> RestorePlan {
        try RestorePlanner(
            instance: instance.name,
            points: points,
            wal: wal,
            timelines: timelines,
            inspector: self,
            rates: rates
        ).plan(spec)
    }

    /// The commits and aborts that end in one segment, read and walked now.
    public func transactionEnds(
        in segment: WALSegment,
        after previous: WALSegment?
    ) throws -> [TransactionEnd] {
        try SegmentWalk(vault, instance.systemIdentifier).transactionEnds(
            in: segment,
            after: previous
        )
    }

    /// The start of the last record that ends by a position, read and walked now.
    public func lastRecord(endingBy position: LSN, in segments: [WALSegment]) throws -> LSN? {
        try SegmentWalk(vault, instance.systemIdentifier).lastRecord(
            endingBy: position,
            in: segments
        )
    }
}
