import Domain

/// A record of a simulated WAL.
struct SimulatedRecord: Hashable {
    enum Kind: Hashable {
        case commit(xid: UInt32, time: Timestamp)
        case abort(xid: UInt32, time: Timestamp)
        case mark(name: String, time: Timestamp)
        case tablespace
        case other
    }
    var start: LSN
    var end: LSN
    var kind: Kind

    var transactionEnd: TransactionEnd? {
        switch kind {
        case .commit(let xid, let time):
            TransactionEnd(start: start, end: end, xid: xid, time: time, isCommit: true)
        case .abort(let xid, let time):
            TransactionEnd(start: start, end: end, xid: xid, time: time, isCommit: false)
        case .mark, .tablespace, .other: nil
        }
    }
}

/// A cluster that only writes WAL: timelines of records, and backups taken along the way.
///
/// Each timeline's list begins with its ancestors' records up to the fork, as its history does.
struct SimulatedInstance {
    static let size = WALSegmentSize(bytes: 1 << 20) ?? .standard
    static let origin = LSN(3 << 20)

    /// The server's clock.
    var now = Timestamp(seconds: 1_700_000_000)
    /// The timeline written to.
    var timeline: TimelineID = 1
    var records: [TimelineID: [SimulatedRecord]] = [1: []]
    var histories: [TimelineID: TimelineHistory] = [1: .root(1)]
    var points: [RecoveryPoint] = []
    var evidence: [WALHoldings.Evidence] = []
    var nextXID: UInt32 = 700
    private var started: LSN?

    /// Where the next record of the current timeline starts.
    var position: LSN {
        Self.recordStart(after: records[timeline]?.last?.end ?? Self.origin)
    }

    /// The end of the current timeline's WAL.
    var end: LSN { records[timeline]?.last?.end ?? Self.origin }

    /// A record never starts inside a page header.
    static func recordStart(after end: LSN) -> LSN {
        if end.rawValue % size.bytes == 0 { return end + 40 }
        return end.rawValue % 8192 == 0 ? end + 24 : end
    }

    @discardableResult
    mutating func write(_ kind: SimulatedRecord.Kind, bytes: UInt64 = 48) -> SimulatedRecord {
        let record = SimulatedRecord(
            start: position,
            end: position + (bytes + 7) & ~7,
            kind: kind
        )
        records[timeline, default: []].append(record)
        return record
    }

    @discardableResult
    mutating func commit(
        at time: Timestamp? = nil,
        xid: UInt32? = nil,
        bytes: UInt64 = 48
    ) -> SimulatedRecord {
        nextXID += 1
        return write(.commit(xid: xid ?? nextXID, time: time ?? now), bytes: bytes)
    }

    /// Ends the segment written to.
    mutating func switchSegment() {
        guard position.rawValue % Self.size.bytes > 40 else { return }
        write(.other, bytes: Self.size.bytes - position.rawValue % Self.size.bytes)
    }

    mutating func pass(seconds: Double) {
        now = Timestamp(microseconds: now.microseconds + Int64(seconds * 1e6))
    }

    mutating func beginBackup() { started = position }

    /// Ends the backup; nothing commits within a second of its end.
    @discardableResult
    mutating func endBackup() -> RecoveryPoint {
        pass(seconds: 2)
        let stop = write(.other).end
        let number = UInt64(points.count + 1)
        var point = RecoveryPoint(
            id: PointID(milliseconds: number, random: (number, number)),
            instance: simulatedName,
            systemIdentifier: SystemIdentifier(7_000_000_000_000_000_001),
            startedAt: now,
            finishedAt: now,
            consistentAt: now.adding(seconds: -1),
            startLSN: started ?? stop,
            stopLSN: stop,
            timeline: timeline,
            serverVersion: ServerVersion(number: 150_018)
        )
        point.segmentSize = Self.size
        point.logicalBytes = 1_000_000
        points.append(point)
        started = nil
        return point
    }

    @discardableResult
    mutating func backup() -> RecoveryPoint {
        beginBackup()
        return endBackup()
    }

    /// What a keepalive of the idle server proves now.
    mutating func keepalive() {
        evidence.append(.init(timeline: timeline, lsn: end, time: now.adding(seconds: -1)))
    }

    /// Promotes: goes on as a new timeline that leaves the current one at `end`, with a record that
    /// says so.
    mutating func promote() {
        let child = (records.keys.max() ?? 1) + 1
        let parent = histories[timeline] ?? .root(timeline)
        histories[child] = TimelineHistory(
            timeline: child,
            forks: parent.forks + [TimelineHistory.Fork(timeline: timeline, end: end)]
        )
        records[child] = records[timeline]
        timeline = child
        write(.other)
    }

    /// The truth about one timeline.
    func record(on timeline: TimelineID, where matches: (SimulatedRecord) -> Bool)
        -> SimulatedRecord?
    {
        records[timeline]?.first(where: matches)
    }
}

let simulatedName: InstanceName = {
    guard let name = InstanceName("shop") else { preconditionFailure("a legal name") }
    return name
}()

/// The vault's side: which bytes of which segments are there.
struct SimulatedArchive: WALInspector {
    var cluster: SimulatedInstance
    /// The end of the bytes held of each segment.
    var held: [WALSegment: LSN] = [:]
    var losses: [WALHoldings.Loss] = []
    var histories: [TimelineHistory]

    /// Everything the cluster wrote; of a timeline left behind, all it wrote after the fork too.
    init(_ cluster: SimulatedInstance) {
        self.cluster = cluster
        histories = cluster.histories.values.filter { $0.timeline > 1 }
        for (timeline, records) in cluster.records {
            let begin = cluster.histories[timeline]?.forks.last?.end ?? SimulatedInstance.origin
            guard let end = records.last?.end, end > begin else { continue }
            var segment = WALSegment(
                timeline: timeline,
                containing: begin,
                size: SimulatedInstance.size
            )
            while segment.start < end {
                held[segment] = min(segment.end, end)
                segment = segment.next
            }
        }
    }

    /// The segment of a timeline that holds a byte.
    func segment(_ timeline: TimelineID, _ position: LSN) -> WALSegment {
        WALSegment(timeline: timeline, containing: position, size: SimulatedInstance.size)
    }

    /// Forgets the segment that holds a byte.
    mutating func lose(_ timeline: TimelineID, _ position: LSN) {
        held[segment(timeline, position)] = nil
    }

    /// The records that end in what is held of a segment.
    func records(in segment: WALSegment) -> [SimulatedRecord] {
        guard let end = held[segment] else { return [] }
        return (cluster.records[segment.timeline] ?? []).filter {
            $0.end > segment.start && $0.end <= end
        }
    }

    /// As a walk sees it: a record that began before it is seen only with the segment it began in.
    func transactionEnds(
        in segment: WALSegment,
        after previous: WALSegment?
    ) throws -> [TransactionEnd] {
        records(in: segment).filter { record in
            guard record.start < segment.start else { return true }
            guard let previous, previous.number + 1 == segment.number else { return false }
            return cluster.record(on: previous.timeline) { $0 == record } != nil
        }.compactMap(\.transactionEnd)
    }

    func lastRecord(endingBy position: LSN, in segments: [WALSegment]) throws -> LSN? {
        guard let first = segments.first, let last = segments.last else { return nil }
        return cluster.records[last.timeline]?.last {
            $0.start >= first.start && $0.end <= position
        }?.start
    }

    private func summary(of segment: WALSegment) -> WALSummary {
        var summary = WALSummary(start: segment.start)
        for record in records(in: segment) {
            if let end = record.transactionEnd {
                summary.add(end)
            } else {
                summary.count(start: record.start, end: record.end)
            }
            if case .mark(let name, let time) = record.kind {
                summary.restorePoints.append(.init(name: name, lsn: record.end, time: time))
            }
            if record.kind == .tablespace {
                let before = cluster.records[segment.timeline]?.last { $0.end <= record.start }
                let made = WALSummary.CreatedTablespace(
                    oid: 16384,
                    path: "/young",
                    lsn: record.start,
                    previous: before?.start ?? .zero
                )
                summary.tablespaces = (summary.tablespaces ?? []) + [made]
            }
        }
        return summary
    }

    var holdings: WALHoldings {
        WALHoldings(
            segmentSize: SimulatedInstance.size,
            pieces: held.map { segment, end in
                WALHoldings.Piece(
                    segment: segment,
                    start: segment.start,
                    end: end,
                    form: end == segment.end ? .sealed : .journal,
                    summary: summary(of: segment)
                )
            },
            losses: losses,
            evidence: cluster.evidence
        )
    }

    var planner: RestorePlanner {
        RestorePlanner(
            instance: simulatedName,
            points: cluster.points,
            wal: holdings,
            timelines: TimelineTree(histories),
            inspector: self
        )
    }

    var window: RecoveryWindow {
        RecoveryWindow(
            points: cluster.points,
            wal: holdings,
            timelines: TimelineTree(histories)
        )
    }

    func plan(
        _ target: RecoveryTarget,
        inclusive: Bool = true,
        timeline: TimelineID? = nil
    ) throws -> RestorePlan {
        try planner.plan(
            RecoveryTargetSpec(target, inclusive: inclusive, timeline: timeline)
        )
    }
}
