/// Which archived WAL is still worth keeping: a rule over points, timelines and living sessions.
///
/// Kept is what replay from a point goes through, along every timeline that descends from it; of a
/// point outside the window wanted, only what makes that point consistent (an island); what reaches
/// moments that are held; and what a living session may read. WAL before all that is let go, and
/// WAL of branches no point leads to, but only when that is certain.
public struct WALRetention: Sendable {
    /// Why a segment is kept.
    public enum Reason: Hashable, Sendable {
        /// Replay from this point goes through it.
        case replay(PointID)
        /// It makes this point consistent, which is older than the window wanted.
        case consistency(PointID)
        /// It reaches moments an operator holds.
        case held
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

    /// The WAL of a timeline's path that reaches moments held.
    private struct HeldSpan: Sendable {
        var history: TimelineHistory
        var start: LSN
        /// Nil when moments behind the last point are held.
        var end: LSN?
    }

    private let points: [RecoveryPoint]
    private let timelines: TimelineTree
    private let floors: [LSN]
    private let live: Set<TimelineID>
    private let paths: [Path]
    private let held: [HeldSpan]
    private let newest: TimelineHistory?

    /// A rule for one instance.
    ///
    /// - Parameters:
    ///   - points: all points that can be restored or are being read; those known to be damaged in
    ///     state `damaged`.
    ///   - timelines: the histories at hand.
    ///   - floors: positions from which on living sessions need all WAL.
    ///   - live: timelines that are being streamed.
    ///   - since: the earliest moment that must stay within reach; nil for all that points reach.
    ///   - moments: earlier ones that must stay within reach, too.
    public init(
        points: [RecoveryPoint],
        timelines: TimelineTree,
        floors: [LSN] = [],
        live: Set<TimelineID> = [],
        since: Timestamp? = nil,
        moments: [ClosedRange<Timestamp>] = []
    ) {
        self.points = points
        self.timelines = timelines
        self.floors = floors
        self.live = live
        let named = Set(timelines.timelines + points.map(\.timeline))
        let histories = named.sorted().map { timelines.history(of: $0) ?? .root($0) }
        paths = histories.compactMap { Self.path($0, points, since) }
        held = histories.flatMap { history in
            moments.compactMap { Self.span(history, points, $0) }
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
        let isHeld = held.contains { span in
            let end = span.history.end(of: segment.timeline)
            return segment.end > span.start && (end.map { segment.start < $0 } ?? true)
                && (span.end.map { segment.start < $0 } ?? true)
        }
        if isHeld { return .held }
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
        let reached = Self.points(points, on: history)
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

    /// What replay along `history` goes through to reach moments held. Every commit up to the last
    /// of them lies before the next point's consistent position.
    private static func span(
        _ history: TimelineHistory,
        _ points: [RecoveryPoint],
        _ moments: ClosedRange<Timestamp>
    ) -> HeldSpan? {
        let reached = Self.points(points, on: history)
        let anchor = reached.lastIndex { $0.consistentAt <= moments.lowerBound } ?? 0
        guard reached.indices.contains(anchor), reached[anchor].consistentAt <= moments.upperBound
        else { return nil }
        let next = reached[anchor...].dropFirst().first { $0.consistentAt > moments.upperBound }
        let start = reached[anchor...].filter { $0.consistentAt <= moments.upperBound }
            .map(\.startLSN).min()
        return HeldSpan(history: history, start: start ?? .zero, end: next?.stopLSN)
    }

    /// The points a timeline's path goes through, by position: nobody can begin with a damaged one,
    /// unless there is no other.
    private static func points(
        _ points: [RecoveryPoint],
        on history: TimelineHistory
    ) -> [RecoveryPoint] {
        let reached = points.filter { history.contains($0.timeline, at: $0.stopLSN) }
            .sorted { ($0.stopLSN, $0.id) < ($1.stopLSN, $1.id) }
        let sound = reached.filter { $0.state != .damaged }
        return sound.isEmpty ? reached : sound
    }
}
