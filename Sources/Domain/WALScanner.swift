/// Answers exact questions about a run: summaries first, the inspector only where they cannot tell.
final class WALScanner {
    private let inspector: any WALInspector
    // A plan asks for the same one or two segments several times over.
    private var inspected: [WALSegment: [TransactionEnd]] = [:]

    init(_ inspector: any WALInspector) { self.inspector = inspector }

    /// The commit and abort records that end in what is held of a segment of a run, in WAL order.
    func records(of run: WALRun, at index: Int) throws -> [TransactionEnd] {
        let held = run.segments[index]
        let isEmpty = held.summary.commits + held.summary.aborts == 0
        guard !isEmpty || Self.isDoubtful(run, index) else { return [] }
        let all: [TransactionEnd]
        if let known = inspected[held.segment] {
            all = known
        } else {
            all = try inspector.transactionEnds(
                in: held.segment,
                after: index > 0 ? run.segments[index - 1].segment : nil
            )
            inspected[held.segment] = all
        }
        return all.filter { $0.end <= held.end }
    }

    /// True where a summary may say too much or too little: a segment cut at a fork, or the first
    /// of a timeline, whose streamer never saw the beginning of a record running into it.
    private static func isDoubtful(_ run: WALRun, _ index: Int) -> Bool {
        let held = run.segments[index]
        guard index > 0 else { return held.cut != nil }
        return held.cut != nil
            || run.segments[index - 1].segment.timeline != held.segment.timeline
    }

    /// The first record starting at or after `start` whose time satisfies `stops`, which must hold
    /// for every time later than one it holds for.
    func first(
        in run: WALRun,
        from start: LSN,
        where stops: (Timestamp) -> Bool
    ) throws -> TransactionEnd? {
        for index in run.segments.indices.dropFirst(run.index(containing: start) ?? 0) {
            let latest = run.segments[index].summary.maxTime
            guard latest.map(stops) ?? false || Self.isDoubtful(run, index) else { continue }
            if let record = try records(of: run, at: index).first(where: {
                $0.start >= start && stops($0.time)
            }) {
                return record
            }
        }
        return nil
    }

    /// The latest time in any record starting at or after `start`.
    func latestTime(in run: WALRun, from start: LSN) throws -> Timestamp? {
        var latest: Timestamp?
        for index in run.segments.indices.dropFirst(run.index(containing: start) ?? 0) {
            let held = run.segments[index]
            let time =
                held.segment.start < start || Self.isDoubtful(run, index)
                ? try records(of: run, at: index).filter { $0.start >= start }.map(\.time).max()
                : held.summary.maxTime
            if let time { latest = max(latest ?? time, time) }
        }
        return latest
    }

    /// The time of the last commit starting at or after `start` that `isReplayed` accepts; every
    /// record before one it accepts must be accepted too, and all that end before `doubtful`.
    func lastCommit(
        in run: WALRun,
        from start: LSN,
        doubtful: LSN,
        where isReplayed: (TransactionEnd) -> Bool
    ) throws -> Timestamp? {
        // A record that starts before `doubtful` may end in the segment after.
        let last = run.segments.count - 1
        let top = run.index(containing: doubtful).map { min($0 + 1, last) } ?? last
        for index in (0...top).reversed() {
            let held = run.segments[index]
            if held.segment.end <= start { break }
            let isSure = !Self.isDoubtful(run, index)
            if isSure, held.summary.commits == 0 { continue }
            if isSure, held.segment.end <= doubtful, held.segment.start >= start {
                return held.summary.lastCommit
            }
            if let record = try records(of: run, at: index).last(where: {
                $0.isCommit && $0.start >= start && isReplayed($0)
            }) {
                return record.time
            }
        }
        return nil
    }

    /// The start of the last whole record of a run.
    ///
    /// An LSN target beyond it would never be met, for want of a record starting there.
    func lastRecord(of run: WALRun) throws -> LSN {
        guard let end = run.branch else { return run.lastRecordKnown }
        let last = run.segments.count - 1
        // It begins in one of the last two segments, unless it is longer than one.
        for first in (0...max(0, last - 1)).reversed() {
            let segments = run.segments[first...].map(\.segment)
            if let start = try inspector.lastRecord(endingBy: end, in: segments) { return start }
        }
        return run.start
    }

    /// The last end of a transaction of this number in a run.
    func end(of xid: UInt32, in run: WALRun) throws -> TransactionEnd? {
        for index in run.segments.indices.reversed() {
            guard
                run.segments[index].summary.mayContain(xid: xid) || Self.isDoubtful(run, index),
                let record = try records(of: run, at: index).last(where: { $0.xid == xid })
            else { continue }
            return record
        }
        return nil
    }
}
