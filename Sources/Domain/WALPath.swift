/// WAL without a hole along one timeline history: what replay can go through in one go.
struct WALRun: Hashable, Sendable {
    /// In order, each but the last whole.
    var segments: [HeldSegment]
    /// Where the run ends, if PostgreSQL would read on there in an ancestor's WAL, along the branch
    /// that was left, for want of the child's segment: replay must be told to stop.
    var branch: LSN?

    init(_ first: HeldSegment) { segments = [first] }

    var first: HeldSegment { segments[segments.startIndex] }
    var last: HeldSegment { segments[segments.endIndex - 1] }

    /// The first byte held.
    var start: LSN { first.segment.start }
    /// The position after the last byte held.
    var end: LSN { last.end }
    /// The end of the last whole record: as far as replay gets.
    var recordEnd: LSN {
        min(segments.last { $0.summary.lastRecord != nil }?.summary.end ?? start, end)
    }
    /// The start of the last whole record, as far as summaries know: where a segment was cut, they
    /// speak of records beyond.
    var lastRecordKnown: LSN {
        segments.last { $0.summary.lastRecord != nil }?.summary.lastRecord ?? start
    }

    /// The index of the segment with this number, nil when it is not in the run.
    func index(of number: UInt64) -> Int? {
        guard number >= first.segment.number, number <= last.segment.number else { return nil }
        return Int(number - first.segment.number)
    }

    /// The index of the segment holding the byte at `position`.
    func index(containing position: LSN) -> Int? {
        index(of: position.rawValue / first.segment.size.bytes)
    }

    /// The index of the segment holding the last byte before `end`.
    func index(endingAt end: LSN) -> Int? {
        end > .zero ? index(of: (end.rawValue - 1) / first.segment.size.bytes) : nil
    }

    /// True when replay can begin at the point's start and become consistent.
    func carries(_ point: RecoveryPoint) -> Bool {
        guard let index = index(containing: point.startLSN) else { return false }
        return point.startLSN < segments[index].end && point.stopLSN <= recordEnd
    }

    /// The first position after `end` where a record can start: behind the page header, if any.
    ///
    /// Between the two there is nothing, so both name the same moment (protocol.md §5.1).
    static func recordStart(after end: LSN, size: WALSegmentSize) -> LSN {
        let aligned = (end.rawValue + 7) & ~7
        if aligned % size.bytes == 0 { return LSN(aligned + 40) }
        return LSN(aligned % 8192 == 0 ? aligned + 24 : aligned)
    }
}

/// The runs of WAL along one timeline history, from the oldest ancestor to its own end.
struct WALPath: Sendable {
    let history: TimelineHistory
    let runs: [WALRun]

    /// Follows the history as PostgreSQL does: of a segment that several timelines of the history
    /// have, the newest one's copy is read, since it repeats the ancestor's bytes up to the switch.
    init(holdings: WALHoldings, history: TimelineHistory) {
        self.history = history
        let size = holdings.segmentSize
        var owners: [(timeline: TimelineID, begin: LSN, end: LSN?)] = []
        var begin = LSN.zero
        for fork in history.forks {
            owners.append((fork.timeline, begin, fork.end))
            begin = fork.end
        }
        owners.append((history.timeline, begin, nil))

        var chosen: [UInt64: HeldSegment] = [:]
        for (segment, held) in holdings.segments {
            guard let owner = owners.last(where: { $0.timeline == segment.timeline }),
                segment.number >= owner.begin.rawValue / size.bytes,
                owner.end.map({ segment.start < $0 }) ?? true
            else { continue }
            if let rival = chosen[segment.number], rival.segment.timeline > segment.timeline {
                continue
            }
            var held = held
            if let end = owner.end, held.end > end {
                held.end = end
                held.cut = end < segment.end ? end : nil
            }
            chosen[segment.number] = held
        }
        var runs: [WALRun] = []
        for held in chosen.values.sorted(by: { $0.segment.number < $1.segment.number }) {
            if let previous = runs.last?.last, previous.isWhole,
                previous.segment.number + 1 == held.segment.number
            {
                runs[runs.endIndex - 1].segments.append(held)
            } else {
                runs.append(WALRun(held))
            }
        }
        self.runs = runs.map { run in
            var run = run
            run.branch = Self.branch(behind: run.last, holdings, history)
            return run
        }
    }

    /// The end of an ancestor's last segment on the path, when more of its WAL is held behind that:
    /// in the same segment, or in the next one where the fork lies between two.
    private static func branch(
        behind last: HeldSegment,
        _ holdings: WALHoldings,
        _ history: TimelineHistory
    ) -> LSN? {
        if let cut = last.cut { return cut }
        guard let end = history.end(of: last.segment.timeline), last.end == end,
            end == last.segment.end, holdings.segments[last.segment.next] != nil
        else { return nil }
        return end
    }

    /// The run a restore from `point` would replay, nil when it could not become consistent.
    func run(for point: RecoveryPoint) -> WALRun? {
        guard history.contains(point.timeline, at: point.stopLSN) else { return nil }
        return runs.first { $0.carries(point) }
    }

    /// Moments at which the server is known to have had no more WAL than the run holds: told by a
    /// keepalive, or by a backup that ended in it.
    func proofs(
        in run: WALRun,
        from start: LSN,
        points: [RecoveryPoint],
        evidence: [WALHoldings.Evidence]
    ) -> [Timestamp] {
        let told = evidence.filter {
            history.contains($0.timeline, at: $0.lsn) && (start...run.end).contains($0.lsn)
        }
        let ended = points.filter {
            $0.state != .running && history.contains($0.timeline, at: $0.stopLSN)
                && $0.stopLSN > start && $0.stopLSN <= run.recordEnd
        }
        return told.map(\.time) + ended.map(\.consistentAt)
    }

    /// The bytes missing between and after the runs, as far as later runs, losses or points show.
    func gaps(holdings: WALHoldings, points: [RecoveryPoint]) -> [RecoveryWindow.Gap] {
        var missing: [Range<LSN>] = zip(runs, runs.dropFirst()).map { $0.end..<$1.start }
        for point in points where history.contains(point.timeline, at: point.stopLSN) {
            missing += uncovered(point.startLSN..<max(point.startLSN, point.stopLSN))
        }
        for loss in holdings.losses where history.contains(loss.timeline, at: loss.start) {
            let end = min(loss.end, history.end(of: loss.timeline) ?? loss.end)
            missing += uncovered(loss.start..<max(loss.start, end))
        }
        return Self.merged(missing).map {
            RecoveryWindow.Gap(
                from: $0.lowerBound,
                to: $0.upperBound,
                cause: holdings.cause(of: $0, on: history)
            )
        }
    }

    /// The parts of `range` no run holds.
    private func uncovered(_ range: Range<LSN>) -> [Range<LSN>] {
        var rest: [Range<LSN>] = []
        var from = range.lowerBound
        for run in runs where run.end > from && run.start < range.upperBound {
            if run.start > from { rest.append(from..<run.start) }
            from = max(from, run.end)
        }
        if from < range.upperBound { rest.append(from..<range.upperBound) }
        return rest
    }

    private static func merged(_ ranges: [Range<LSN>]) -> [Range<LSN>] {
        var result: [Range<LSN>] = []
        for range in ranges.filter({ !$0.isEmpty }).sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = result.last, range.lowerBound <= last.upperBound {
                result[result.endIndex - 1] =
                    last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                result.append(range)
            }
        }
        return result
    }
}
