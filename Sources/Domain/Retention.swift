/// Which recovery points stay and which may go: a rule over points, what they reach, holds, the
/// policy and a moment. It reads no clock and changes nothing.
///
/// A point goes when its own expiry has passed and nothing else needs it. The policy of today
/// decides how far back every moment must stay within reach, and thereby which point the recovery
/// window begins with; how long a point is kept was decided when it was made.
public struct Retention: Sendable {
    /// Why a point stays, or goes.
    public enum Reason: Hashable, Sendable {
        /// Its expiry lies ahead.
        case notExpired(Timestamp)
        /// It has none.
        case noExpiry
        /// It is the newest that can be restored.
        case newest
        /// It is the newest a check has read whole.
        case newestVerified
        /// The recovery window begins with it.
        case anchor
        /// It shows how long the server was idle at the end of an interval.
        case witness
        /// One of the newest, of which the policy wants so many.
        case redundancy(Int)
        /// An operator holds it.
        case held(String)
        /// Nothing of its instance expires now.
        case frozen(String)
        /// Its expiry has passed: it goes.
        case expired(Timestamp)
    }

    /// What becomes of one point.
    public struct Verdict: Hashable, Sendable {
        /// The point.
        public var point: PointID
        /// Why it stays; or, alone, why it goes.
        public var reasons: [Reason]

        /// True when it stays.
        public var isKept: Bool {
            guard case .expired? = reasons.first else { return true }
            return false
        }
    }

    /// What a policy asks of retention.
    public struct Terms: Hashable, Sendable {
        /// Days for which every moment stays within reach.
        public var retentionDays: Int
        /// Points that stay in any case.
        public var minRedundancy: Int

        /// The terms.
        public init(retentionDays: Int, minRedundancy: Int = 1) {
            self.retentionDays = retentionDays
            self.minRedundancy = minRedundancy
        }

        /// Those of a policy.
        public init(_ policy: Policy) {
            self.init(retentionDays: policy.retentionDays, minRedundancy: policy.minRedundancy)
        }
    }

    /// By position, oldest first.
    public let verdicts: [Verdict]
    /// The first moment that must stay within reach; nil when all must.
    public let since: Timestamp?

    /// Judges an instance's points.
    ///
    /// - Parameters:
    ///   - points: all that are visible; those that cannot be restored in state `damaged`.
    ///   - intervals: what the points and the WAL reach.
    ///   - verified: points a check has read whole.
    ///   - freeze: why nothing may go now; nil: it may.
    ///   - now: a moment that has certainly come.
    public init(
        points: [RecoveryPoint],
        intervals: [RecoveryWindow.Interval],
        holds: [Hold] = [],
        verified: Set<PointID> = [],
        terms: Terms,
        freeze: String? = nil,
        now: Timestamp
    ) {
        let since = now.adding(seconds: -Int64(terms.retentionDays) * 86400)
        self.since = freeze == nil ? since : nil
        let ordered = points.sorted {
            ($0.timeline, $0.stopLSN, $0.id) < ($1.timeline, $1.stopLSN, $1.id)
        }
        var kept: [PointID: [Reason]] = [:]
        let good = ordered.filter { $0.state == .completed }
        if let newest = good.last { kept[newest.id, default: []].append(.newest) }
        if let newest = good.last(where: { verified.contains($0.id) }) {
            kept[newest.id, default: []].append(.newestVerified)
        }
        if terms.minRedundancy > 1 {
            for point in good.suffix(terms.minRedundancy) {
                kept[point.id, default: []].append(.redundancy(terms.minRedundancy))
            }
        }
        let window = since...Timestamp(microseconds: .max)
        for id in Self.anchors(good, intervals, window) {
            kept[id, default: []].append(.anchor)
        }
        for id in Self.witnesses(ordered, intervals, window) {
            kept[id, default: []].append(.witness)
        }
        for hold in holds {
            for id in Self.held(by: hold, points: ordered, intervals: intervals) {
                kept[id, default: []].append(.held(hold.title))
            }
        }
        verdicts = ordered.map { point in
            var reasons = kept[point.id] ?? []
            if let freeze { reasons.insert(.frozen(freeze), at: 0) }
            let expiry = point.expiresAt
            if let expiry, expiry <= now {
                if reasons.isEmpty { reasons = [.expired(expiry)] }
            } else {
                reasons.append(expiry.map { .notExpired($0) } ?? .noExpiry)
            }
            return Verdict(point: point.id, reasons: reasons)
        }
    }

    /// The points that go.
    public var dropped: [PointID] { verdicts.filter { !$0.isKept }.map(\.point) }

    /// The point each interval must be restored from to reach the first of the moments wanted in
    /// it: the newest one consistent by then, or its first.
    private static func anchors(
        _ good: [RecoveryPoint],
        _ intervals: [RecoveryWindow.Interval],
        _ moments: ClosedRange<Timestamp>
    ) -> [PointID] {
        let times = Dictionary(good.map { ($0.id, $0.consistentAt) }) { first, _ in first }
        return intervals.compactMap { interval in
            let last = interval.streamedUntil ?? interval.latest
            guard last >= moments.lowerBound, interval.earliest <= moments.upperBound else {
                return nil
            }
            let usable = interval.points.filter { times[$0] != nil }
            return usable.last { (times[$0] ?? last) <= moments.lowerBound } ?? usable.first
        }
    }

    /// The points whose end is the last moment of an interval whose idle time at the end reaches
    /// into the moments wanted: without them nobody would know that nothing newer existed until
    /// then. It is the WAL of their end that tells it, so damaged ones know it as well.
    private static func witnesses(
        _ points: [RecoveryPoint],
        _ intervals: [RecoveryWindow.Interval],
        _ moments: ClosedRange<Timestamp>
    ) -> [PointID] {
        intervals.flatMap { interval -> [PointID] in
            guard let until = interval.streamedUntil, until >= moments.lowerBound,
                moments.upperBound > interval.latest
            else { return [] }
            return points.filter {
                $0.consistentAt == until && $0.stopLSN <= interval.latestLSN
            }.map(\.id)
        }
    }

    /// The points a hold keeps: the one it is on, or those its moments are reached from.
    public static func held(
        by hold: Hold,
        points: [RecoveryPoint],
        intervals: [RecoveryWindow.Interval]
    ) -> [PointID] {
        if case .point(let id) = hold.subject { return [id] }
        guard let moments = hold.moments else { return [] }
        let good = points.filter { $0.state == .completed }
        let inside = good.filter { moments.contains($0.consistentAt) }.map(\.id)
        return Set(
            inside + anchors(good, intervals, moments) + witnesses(points, intervals, moments)
        ).sorted()
    }
}
