/// Answers exact questions about a run: summaries first, the inspector only where they cannot tell.
final class WALScanner {
    private let inspector: any WALInspector
    // A plan asks for the same one or two segments several times over.
    private var inspected: [WALSegment: [TransactionEnd]] = [:]

    init(_ inspector: any WALInspector) { self.inspector = inspector }

    /// The commit and abort records that end in what is held of a segment, in WAL order.
    func records(in held: HeldSegment) throws -> [TransactionEnd] {
        guard held.summary.commits + held.summary.aborts > 0 else { return [] }
        let all: [TransactionEnd]
        if let known = inspected[held.segment] {
            all = known
        } else {
            all = try inspector.transactionEnds(in: held.segment)
            inspected[held.segment] = all
        }
        return all.filter { $0.end <= held.end }
    }

    /// The first record starting at or after `start` whose time satisfies `stops`, which must hold
    /// for every time later than one it holds for.
    func first(
        in run: WALRun,
        from start: LSN,
        where stops: (Timestamp) -> Bool
    ) throws -> TransactionEnd? {
        for held in run.segments[(run.index(containing: start) ?? 0)...] {
            guard let latest = held.summary.maxTime, stops(latest) else { continue }
            if let record = try records(in: held).first(where: {
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
        for held in run.segments[(run.index(containing: start) ?? 0)...] {
            let time =
                held.segment.start < start || held.cut != nil
                ? try records(in: held).filter { $0.start >= start }.map(\.time).max()
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
        let top = run.index(containing: doubtful).map { min($0 + 1, run.segments.count - 1) }
        for held in run.segments[...(top ?? run.segments.count - 1)].reversed() {
            if held.segment.end <= start { break }
            guard held.summary.commits > 0 else { continue }
            if held.segment.end <= doubtful, held.segment.start >= start, held.cut == nil {
                return held.summary.lastCommit
            }
            if let record = try records(in: held).last(where: {
                $0.isCommit && $0.start >= start && isReplayed($0)
            }) {
                return record.time
            }
        }
        return nil
    }

    /// The last end of a transaction of this number in a run.
    func end(of xid: UInt32, in run: WALRun) throws -> TransactionEnd? {
        for held in run.segments.reversed() where held.summary.mayContain(xid: xid) {
            if let record = try records(in: held).last(where: { $0.xid == xid }) { return record }
        }
        return nil
    }
}
