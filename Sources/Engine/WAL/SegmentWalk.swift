import Domain
import Postgres
import Vaulting

/// Walks archived segments one after the other, so that a record running from one into the next is
/// seen whole: a walk that begins with a segment skips what began before it.
struct SegmentWalk {
    /// How often a walk is made before it gives up: a stream may be faster than we are.
    private static let attemptsMax = 8

    private let reader: WALSegmentReader
    private let timelines: TimelineArchive
    private let system: SystemIdentifier

    init(_ vault: Vault, _ system: SystemIdentifier) {
        reader = WALSegmentReader(vault, system)
        timelines = TimelineArchive(vault, system)
        self.system = system
    }

    /// A builder standing at the start of `segment`, inside the record that runs into it, if one
    /// does and all of `previous` is archived.
    private func builder(at segment: WALSegment, after previous: WALSegment?) throws
        -> WALSummaryBuilder
    {
        if let previous, previous.end == segment.start {
            var builder = fresh(at: previous)
            var position = previous.start
            _ = try reader.read(previous.name) { bytes in
                try builder.feed(bytes, at: position)
                position = position + UInt64(bytes.count)
            }
            // What ends early (a part, a journal) leads nowhere.
            if position == segment.start, builder.walker.stop == nil {
                _ = builder.take()
                return builder
            }
        }
        return fresh(at: segment)
    }

    /// As `builder(at:after:)`, but what cannot be read of the segment before is done without.
    func summaries(from segment: WALSegment) -> WALSummaryBuilder {
        (try? builder(at: segment, after: previous(of: segment))) ?? fresh(at: segment)
    }

    /// The segment before, on the timeline that wrote its end: a new timeline begins in the middle
    /// of a segment, and the one before that is its ancestor's. Nil for the very first.
    private func previous(of segment: WALSegment) throws -> WALSegment? {
        guard segment.number > 0 else { return nil }
        let history = try timelines.content(of: segment.timeline).flatMap {
            TimelineHistory(
                timeline: segment.timeline,
                content: String(decoding: $0, as: UTF8.self)
            )
        }
        return WALSegment(
            timeline: history?.timeline(at: LSN(segment.start.rawValue - 1)) ?? segment.timeline,
            number: segment.number - 1,
            size: segment.size
        )
    }

    /// The commits and aborts that end in a segment.
    func transactionEnds(
        in segment: WALSegment,
        after previous: WALSegment?
    ) throws -> [TransactionEnd] {
        try whileObjectsMove {
            var builder = try builder(at: segment, after: previous)
            var ends: [TransactionEnd] = []
            var position = segment.start
            _ = try reader.read(segment.name) { bytes in
                builder.feed(bytes, at: position) { event in
                    if case .transactionEnd(let end) = event.kind { ends.append(end) }
                }
                position = position + UInt64(bytes.count)
            }
            return ends
        }
    }

    /// The start of the last record that begins in `segments`, which follow each other, and ends at
    /// `limit` or before it.
    func lastRecord(endingBy limit: LSN, in segments: [WALSegment]) throws -> LSN? {
        guard let first = segments.first else { return nil }
        return try whileObjectsMove {
            var walker = WALWalker(
                segmentSize: first.size,
                systemIdentifier: system,
                startingAt: first.start
            )
            var position = first.start
            for segment in segments {
                guard position == segment.start else { break }
                _ = try reader.read(segment.name) { bytes in
                    guard position < limit else { return }
                    let wanted = min(UInt64(bytes.count), limit - position)
                    let part = UnsafeRawBufferPointer(rebasing: bytes[..<Int(wanted)])
                    walker.feed(part, at: position) { _ in }
                    position = position + wanted
                }
            }
            guard position >= limit else {
                throw PgkeepError(
                    .busy,
                    "the WAL before \(limit) went away while it was read",
                    hint: "try again"
                )
            }
            return walker.lastStart
        }
    }

    /// A builder standing at the start of `segment`.
    private func fresh(at segment: WALSegment) -> WALSummaryBuilder {
        WALSummaryBuilder(
            WALWalker(
                segmentSize: segment.size,
                systemIdentifier: system,
                startingAt: segment.start
            )
        )
    }

    /// Runs `body`, which reads from the beginning, again when an object moved under it: a stream
    /// publishes its journals and removes them.
    private func whileObjectsMove<Result>(_ body: () throws -> Result) throws -> Result {
        for _ in 1..<Self.attemptsMax {
            do {
                return try body()
            } catch let error as PgkeepError where [.notFound, .busy].contains(error.code) {
                continue
            }
        }
        return try body()
    }
}
