public import Domain

/// Walks WAL as it comes and sums it up stretch by stretch.
///
/// Feed up to a segment's end, then `take` its summary. A record counts where its last byte lies.
public struct WALSummaryBuilder: Sendable {
    /// The walk beneath: its position, its stop.
    public private(set) var walker: WALWalker
    /// What the stretch fed since the last `take` holds so far.
    public private(set) var summary: WALSummary

    /// Begins where `walker` stands.
    public init(_ walker: WALWalker) {
        self.walker = walker
        summary = WALSummary(start: walker.position)
    }

    /// Takes the bytes at `start`, as the walker does, and passes its events on.
    public mutating func feed(
        _ bytes: UnsafeRawBufferPointer,
        at start: LSN,
        _ handle: (WALEvent) throws -> Void = { _ in }
    ) rethrows {
        let before = walker.records
        var summary = summary
        defer {
            if walker.records > before {
                summary.end = walker.validEnd
                summary.lastRecord = walker.lastStart
            }
            self.summary = summary
        }
        try walker.feed(bytes, at: start) { event in
            summary.add(event)
            try handle(event)
        }
    }

    /// The summary of what was fed since the last call; the next stretch begins at the walker's
    /// position.
    public mutating func take() -> WALSummary {
        defer { summary = WALSummary(start: walker.position) }
        return summary
    }
}

extension WALSummary {
    /// Counts one event.
    public mutating func add(_ event: WALEvent) {
        switch event.kind {
        case .transactionEnd(let transaction): add(transaction)
        case .restorePoint(let name, let time):
            restorePoints.append(RestorePoint(name: name, lsn: event.end, time: time))
        case .parameterChange(let settings, _): add(settings)
        case .tablespaceCreated(let oid, let path, let previous):
            let made = CreatedTablespace(
                oid: oid,
                path: path,
                lsn: event.start,
                previous: previous
            )
            tablespaces = (tablespaces ?? []) + [made]
        case .checkpoint, .endOfRecovery, .backupEnd, .segmentSwitch, .overwroteRecord: break
        }
        if let change = event.timelineSwitch {
            switches.append(TimelineSwitch(from: change.from, to: change.to, lsn: event.end))
        }
        end = max(end, event.end)
    }
}
