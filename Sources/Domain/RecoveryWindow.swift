/// The moments an instance can be restored to: a set of intervals, and the gaps that divide them.
public struct RecoveryWindow: Hashable, Sendable, Encodable {
    /// A stretch of time and WAL any moment of which can be restored.
    public struct Interval: Hashable, Sendable, Encodable {
        /// When the first usable point became consistent.
        public var earliest: Timestamp
        /// The time of the last commit held.
        public var latest: Timestamp
        /// Where that point becomes consistent.
        public var earliestLSN: LSN
        /// The end of the last whole record held.
        public var latestLSN: LSN
        /// The timeline it ends on: the one to ask for.
        public var timeline: TimelineID
        /// The points in it, oldest first.
        public var points: [PointID]
        /// Up to when the server is known to have committed nothing after `latest`, when that is
        /// later.
        public var streamedUntil: Timestamp?
        /// True for a backup without WAL beyond what makes it consistent, while later ones have.
        public var isIsland = false

        private enum CodingKeys: String, CodingKey {
            case earliest, latest, timeline, points
            case isIsland = "island"
            case earliestLSN = "earliest_lsn"
            case latestLSN = "latest_lsn"
            case streamedUntil = "streamed_until"
        }
    }

    /// WAL that is missing.
    public struct Gap: Hashable, Sendable, Encodable {
        /// The first byte missing.
        public var from: LSN
        /// The position after the last byte missing.
        public var to: LSN
        /// Why.
        public var cause: WALHoldings.GapCause
        /// The last moment within reach before it; nil when there is none.
        public var fromTime: Timestamp?
        /// The first moment within reach after it; nil when there is none.
        public var toTime: Timestamp?

        /// Missing WAL.
        public init(from: LSN, to: LSN, cause: WALHoldings.GapCause) {
            self.from = from
            self.to = to
            self.cause = cause
        }

        private enum CodingKeys: String, CodingKey {
            case cause, reason
            case from = "from_lsn"
            case to = "to_lsn"
            case fromTime = "from_time"
            case toTime = "to_time"
        }

        /// Adds the cause in words to what scripts match on.
        public func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(from, forKey: .from)
            try container.encode(to, forKey: .to)
            try container.encode(fromTime, forKey: .fromTime)
            try container.encode(toTime, forKey: .toTime)
            try container.encode(cause, forKey: .cause)
            try container.encode(cause.words, forKey: .reason)
        }
    }

    /// Ordered by timeline, then position.
    public var intervals: [Interval]
    /// Ordered by position.
    public var gaps: [Gap]

    /// What `points` and `wal` together can restore.
    ///
    /// The newest timeline comes with all its past; of an older one only what it has beyond the
    /// fork is listed, since the rest is in its descendant's interval.
    public init(points: [RecoveryPoint], wal: WALHoldings, timelines: TimelineTree) {
        intervals = []
        gaps = []
        let usable = points.filter { $0.state == .completed }
        // A descendant's path tells of its ancestors up to the fork; beyond it only they can.
        var covered: [TimelineID: LSN] = [:]
        let named = wal.timelines + points.map(\.timeline) + wal.losses.map(\.timeline)
        for timeline in Set(named).sorted(by: >) {
            let history = timelines.history(of: timeline) ?? .root(timeline)
            let path = WALPath(holdings: wal, history: history)
            let floor = covered[timeline] ?? .zero
            for run in path.runs where run.recordEnd > floor {
                if let interval = Self.interval(
                    of: run,
                    after: floor,
                    on: path,
                    points: points,
                    evidence: wal.evidence
                ) {
                    intervals.append(interval)
                }
            }
            gaps += path.gaps(holdings: wal, points: usable).filter { $0.from >= floor }
            for fork in history.forks {
                covered[fork.timeline] = max(covered[fork.timeline] ?? .zero, fork.end)
            }
        }
        intervals.sort { ($0.timeline, $0.earliestLSN) < ($1.timeline, $1.earliestLSN) }
        gaps = Set(gaps).sorted { ($0.from, $0.to) < ($1.from, $1.to) }
        complete(points: points, segmentSize: wal.segmentSize)
    }

    private static func interval(
        of run: WALRun,
        after floor: LSN,
        on path: WALPath,
        points: [RecoveryPoint],
        evidence: [WALHoldings.Evidence]
    ) -> Interval? {
        let inside = points.filter {
            $0.state == .completed && path.history.contains($0.timeline, at: $0.stopLSN)
                && run.carries($0)
        }.sorted { ($0.stopLSN, $0.id) < ($1.stopLSN, $1.id) }
        guard let first = inside.first else { return nil }
        var earliest = first.consistentAt
        if floor > first.stopLSN {
            // The branch of an old timeline begins with the last commit before the fork.
            for held in run.segments where held.segment.end <= floor {
                if let time = held.summary.lastCommit { earliest = max(earliest, time) }
            }
        }
        var latest = earliest
        for held in run.segments where held.segment.end > first.stopLSN {
            // A cut segment's summary speaks of more than the path holds: promise less.
            if held.cut == nil, let time = held.summary.lastCommit { latest = max(latest, time) }
        }
        let proof = path.proofs(in: run, from: first.startLSN, points: points, evidence: evidence)
            .max()
        return Interval(
            earliest: earliest,
            latest: latest,
            earliestLSN: max(first.stopLSN, floor),
            latestLSN: run.recordEnd,
            timeline: path.history.timeline,
            points: inside.map(\.id),
            streamedUntil: proof.flatMap { $0 > latest ? $0 : nil }
        )
    }

    /// True when a moment lies in an interval or in the idle time proven after one.
    public func contains(_ time: Timestamp, timeline: TimelineID? = nil) -> Bool {
        intervals.contains {
            (timeline == nil || $0.timeline == timeline) && $0.earliest <= time
                && time <= ($0.streamedUntil ?? $0.latest)
        }
    }

    /// The last moment that can be restored, on the newest timeline.
    public var latest: Timestamp? { intervals.last?.latest }

    /// One line for messages: `A to B, C to D`, or `empty`.
    public var summary: String {
        guard !intervals.isEmpty else { return "empty" }
        return intervals.map { "\($0.earliest) to \($0.streamedUntil ?? $0.latest)" }
            .joined(separator: ", ")
    }
}
