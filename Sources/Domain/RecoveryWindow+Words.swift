extension WALHoldings.GapCause {
    /// Why, in words.
    public var words: String {
        switch self {
        case .neverArchived: "nobody streamed it while the server still had it"
        case .slotLost: "the replication slot was lost before it was streamed"
        case .givenUp: "the slot was given up so that its WAL would not fill the server's disk"
        case .failover: "the server it was on is gone, and the new one does not have it"
        case .pruned: "it was let go together with the points that needed it"
        case .stopped: "protection was stopped when it was written"
        case .damaged: "it is in the vault but cannot be read"
        }
    }
}

extension RecoveryWindow.Interval {
    /// The last moment one can ask for: of an idle server later than the last commit.
    public var end: Timestamp { streamedUntil ?? latest }

    /// What is known after the last commit; nil when nothing is.
    public var idleWords: String? {
        streamedUntil.map { "the last commit was at \(latest); nothing newer existed until \($0)" }
    }
}

extension RecoveryWindow {
    /// Marks the islands, and tells each gap's moments: called once, with intervals and gaps set.
    ///
    /// An island is a backup that restores to little more than its own end: its WAL stops in the
    /// segment that makes it consistent, and what follows is a later interval of the same timeline.
    mutating func complete(points: [RecoveryPoint], segmentSize: WALSegmentSize) {
        for index in intervals.indices {
            let interval = intervals[index]
            let isFollowed = intervals.contains {
                $0.timeline == interval.timeline && $0.earliestLSN > interval.earliestLSN
            }
            guard isFollowed, interval.points.count == 1,
                let point = points.first(where: { $0.id == interval.points[0] }),
                point.stopLSN > .zero
            else { continue }
            let last = WALSegment(
                timeline: point.timeline,
                endingAt: point.stopLSN,
                size: segmentSize
            )
            intervals[index].isIsland = interval.latestLSN <= last.end
        }
        for index in gaps.indices {
            let gap = gaps[index]
            gaps[index].fromTime =
                intervals.filter { $0.latestLSN <= gap.to }
                .max { $0.latestLSN < $1.latestLSN }?.end
            gaps[index].toTime =
                intervals.filter { $0.earliestLSN >= gap.to }
                .min { $0.earliestLSN < $1.earliestLSN }?.earliest
        }
    }
}
