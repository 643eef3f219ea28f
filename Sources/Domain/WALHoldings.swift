/// The WAL the vault holds of one instance, and what is known to be missing.
public struct WALHoldings: Sendable {
    /// How a piece is stored.
    public enum Form: String, Hashable, Sendable {
        /// A whole segment, immutable.
        case sealed
        /// The beginning of a segment whose timeline ended in it.
        case part
        /// The growing tail that the streamer still writes or left behind.
        case journal
    }

    /// One object of the archive: a segment, or some bytes of one.
    public struct Piece: Hashable, Sendable {
        /// The segment it belongs to.
        public var segment: WALSegment
        /// The first byte held.
        public var start: LSN
        /// The position after the last byte held.
        public var end: LSN
        /// How it is stored.
        public var form: Form
        /// What is in it.
        public var summary: WALSummary

        /// Some bytes of a segment.
        public init(
            segment: WALSegment,
            start: LSN,
            end: LSN,
            form: Form,
            summary: WALSummary
        ) {
            precondition(start >= segment.start && end <= segment.end && start <= end)
            self.segment = segment
            self.start = start
            self.end = end
            self.form = form
            self.summary = summary
        }

        /// A whole segment.
        public init(sealed segment: WALSegment, summary: WALSummary) {
            self.init(
                segment: segment,
                start: segment.start,
                end: segment.end,
                form: .sealed,
                summary: summary
            )
        }
    }

    /// Why WAL is missing.
    public enum GapCause: String, Hashable, Sendable, Codable {
        /// Nobody streamed it while the server had it.
        case neverArchived = "never-archived"
        /// The replication slot was invalidated or dropped.
        case slotLost = "slot-lost"
        /// The slot was dropped on purpose, so that its WAL would not fill the server's disk.
        case givenUp = "given-up"
        /// The server that had it is gone, and the one that took its place does not have it.
        case failover
        /// It was let go together with the points that needed it.
        case pruned
        /// Protection was stopped when it was written.
        case stopped
        /// It is there but cannot be opened.
        case damaged
    }

    /// A stretch of WAL known to be missing.
    public struct Loss: Hashable, Sendable {
        /// The timeline it is missing from.
        public var timeline: TimelineID
        /// The first byte missing.
        public var start: LSN
        /// The position after the last byte missing.
        public var end: LSN
        /// Why.
        public var cause: GapCause

        /// A stretch of missing WAL.
        public init(timeline: TimelineID, start: LSN, end: LSN, cause: GapCause) {
            self.timeline = timeline
            self.start = start
            self.end = end
            self.cause = cause
        }
    }

    /// Proof that an idle server had nothing more to say: when its clock showed `time`, all its WAL
    /// ended at `lsn`.
    public struct Evidence: Hashable, Sendable {
        /// The timeline being streamed.
        public var timeline: TimelineID
        /// The end of the server's WAL at that moment, durable in the vault.
        public var lsn: LSN
        /// The server's clock.
        public var time: Timestamp

        /// What a keepalive of the server proves.
        public init(timeline: TimelineID, lsn: LSN, time: Timestamp) {
            self.timeline = timeline
            self.lsn = lsn
            self.time = time
        }
    }

    /// The cluster's segment size.
    public let segmentSize: WALSegmentSize
    /// Recorded losses.
    public let losses: [Loss]
    /// Proofs of idleness.
    public let evidence: [Evidence]
    /// Segments that were offered again with other content; the first content is the one used.
    public let divergent: Set<WALSegment>
    let segments: [WALSegment: HeldSegment]

    /// What the archive lists, in any order.
    public init(
        segmentSize: WALSegmentSize,
        pieces: [Piece],
        losses: [Loss] = [],
        evidence: [Evidence] = [],
        divergent: Set<WALSegment> = []
    ) {
        self.segmentSize = segmentSize
        self.losses = losses
        self.evidence = evidence
        self.divergent = divergent
        segments = Dictionary(grouping: pieces, by: \.segment).compactMapValues {
            HeldSegment(pieces: $0)
        }
    }

    /// Timelines with any WAL held, ascending.
    public var timelines: [TimelineID] { Set(segments.keys.map(\.timeline)).sorted() }

    /// The contiguous stretches held of one timeline, without its ancestors, in order.
    public func stretches(of timeline: TimelineID) -> [Range<LSN>] {
        WALPath(holdings: self, history: .root(timeline)).runs.map { $0.start..<$0.end }
    }

    /// Why the bytes of `range` are missing, as far as anybody wrote it down.
    func cause(of range: Range<LSN>, on history: TimelineHistory) -> GapCause {
        losses.first {
            $0.start < range.upperBound && range.lowerBound < $0.end
                && history.contains($0.timeline, at: min($0.start, range.lowerBound))
        }?.cause ?? .neverArchived
    }
}

/// The beginning of a segment, or all of it, put together from the pieces stored.
struct HeldSegment: Hashable, Sendable {
    var segment: WALSegment
    /// The position after the last byte held without a hole from the segment's start.
    var end: LSN
    var summary: WALSummary
    /// Where an ancestor's segment was cut because the rest belongs to no one on the path.
    var cut: LSN?

    /// Nil when the first byte of the segment is missing: recovery needs the header there.
    init?(pieces: [WALHoldings.Piece]) {
        let sorted = pieces.sorted { ($0.start, $1.end) < ($1.start, $0.end) }
        guard let first = sorted.first, first.start == first.segment.start else { return nil }
        segment = first.segment
        end = first.end
        summary = first.summary
        for piece in sorted.dropFirst() where piece.start <= end && piece.end > end {
            end = piece.end
            // A piece that covers the same bytes from the start tells all by itself.
            summary =
                piece.start == segment.start ? piece.summary : summary.joined(with: piece.summary)
        }
    }

    var isWhole: Bool { end == segment.end && cut == nil }
}
