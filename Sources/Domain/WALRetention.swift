/// Which archived WAL is still worth keeping: a rule over points, timelines and living sessions.
///
/// Kept is what replay from a point goes through, along every timeline that descends from it; of a
/// point outside the window wanted, only what makes that point consistent (an island); and what a
/// living session may read. WAL before all that is let go, and WAL of branches no point leads to,
/// but only when that is certain.
public struct WALRetention: Sendable {
    /// Why a segment is kept.
    public enum Reason: Hashable, Sendable {
        /// Replay from this point goes through it.
        case replay(PointID)
        /// It makes this point consistent, which is older than the window wanted.
        case consistency(PointID)
        /// A living session may need it.
        case session
        /// It contradicts what was archived first: evidence for the operator.
        case contradiction
        /// Whether anything needs it cannot be told.
        case undecided
    }

    /// The WAL one timeline's path keeps: all of it from `start` on.
    private struct Path: Sendable {
        var history: TimelineHistory
        var start: LSN
        var point: PointID
    }

    private let points: [RecoveryPoint]
    private let timelines: TimelineTree
    private let floors: [LSN]
    private let live: Set<TimelineID>
    private let paths: [Path]
    private let newest: TimelineHistory?

    /// A rule for one instance.
    ///
    /// - Parameters:
    ///   - points: all points that can be restored or are being read.
    ///   - timelines: the histories at hand.
    ///   - floors: positions from which on living sessions need all WAL.
    ///   - live: timelines that are being streamed.
    ///   - since: the earliest moment that must stay within reach; nil for all that points reach.
    public init(
        points: [RecoveryPoint],
        timelines: TimelineTree,
        floors: [LSN] = [],
        live: Set<TimelineID> = [],
        since: Timestamp? = nil
    ) {
        self.points = points
        self.timelines = timelines
        self.floors = floors
        self.live = live
        let named = Set(timelines.timelines + points.map(\.timeline))
        paths = named.sorted().compactMap {
            Self.path(timelines.history(of: $0) ?? .root($0), points, since)
        }
        newest = points.map(\.timeline).max().flatMap { timelines.history(of: $0) }
    }

    /// Why a segment is kept; nil when nothing can ever need it again.
    public func reason(for segment: WALSegment) -> Reason? {
        if floors.contains(where: { segment.end > $0 }) { return .session }
        for path in paths where segment.end > path.start {
            let end = path.history.end(of: segment.timeline)
            if end.map({ segment.start < $0 }) ?? true { return .replay(path.point) }
        }
        let island = points.first {
            $0.timeline == segment.timeline && segment.end > $0.startLSN
                && segment.start < max($0.stopLSN, $0.startLSN + 1)
        }
        if let island { return .consistency(island.id) }
        return isCertainlyPast(segment.timeline) ? nil : .undecided
    }

    /// True when WAL of this timeline that no point needs now is needed by no later point either:
    /// the server has gone on, on this timeline or on one that left it behind.
    private func isCertainlyPast(_ timeline: TimelineID) -> Bool {
        guard let newest, timeline <= newest.timeline else { return false }
        if timeline == newest.timeline { return true }
        let isReached = paths.contains { $0.history.timeline == timeline }
        if live.contains(timeline), !isReached { return false }
        if newest.forks.contains(where: { $0.timeline == timeline }) { return true }
        return timelines.history(of: timeline) != nil
    }

    /// The lowest position replay along `history` starts from; nil when no point lies on it.
    private static func path(
        _ history: TimelineHistory,
        _ points: [RecoveryPoint],
        _ since: Timestamp?
    ) -> Path? {
        let reached = points.filter { history.contains($0.timeline, at: $0.stopLSN) }
            .sorted { ($0.stopLSN, $0.id) < ($1.stopLSN, $1.id) }
        var wanted = reached[...]
        if let since, let anchor = reached.lastIndex(where: { $0.consistentAt <= since }) {
            // To reach the first moment wanted, replay starts from the point before it.
            wanted = reached[anchor...]
        }
        guard let first = wanted.min(by: { ($0.startLSN, $0.id) < ($1.startLSN, $1.id) }) else {
            return nil
        }
        return Path(history: history, start: first.startLSN, point: first.id)
    }
}
