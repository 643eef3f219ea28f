import Domain
import Postgres
import Vaulting

/// Where a WAL stream begins: the archive's end, checked against what the server is and still has.
struct StreamStart {
    /// The timeline to ask for.
    var timeline: TimelineID
    /// The first byte, a segment's start.
    var position: LSN

    /// Decides where to begin.
    ///
    /// - Parameters:
    ///   - archive: what the vault holds.
    ///   - identity: what the server says of itself.
    ///   - history: the history of the server's timeline; nil on timeline 1.
    ///   - slot: the instance's slot on the server; nil when it uses none.
    /// - Throws: `.sourceForeign` when the server is behind the archive's timeline.
    static func choose(
        archive: WALArchive,
        identity: SystemIdentity,
        history: TimelineHistory?,
        slot: ReplicationSlot?
    ) throws -> StreamStart {
        let size = archive.segmentSize
        func segmentStart(_ position: LSN) -> LSN {
            WALSegment(timeline: 1, containing: position, size: size).start
        }
        // Without anything archived the slot says what the server has kept for us.
        let fresh = StreamStart(
            timeline: slot?.timeline ?? identity.timeline,
            position: segmentStart(slot?.restartLSN ?? identity.position)
        )
        guard let (timeline, position) = archive.resumption else { return fresh }
        guard timeline <= identity.timeline else {
            throw PgkeepError(
                .sourceForeign,
                "the server is on timeline \(identity.timeline), the vault already on \(timeline)",
                hint:
                    "this server was left behind by a promotion; point the instance at the new one"
            )
        }
        if timeline < identity.timeline, let end = history?.end(of: timeline), position > end {
            // The archive holds more of the old timeline than the new one descends from. That rest
            // is a dead branch; the new timeline goes on where it left the old one.
            let next = history?.timeline(at: end) ?? identity.timeline
            return StreamStart(timeline: next, position: segmentStart(end))
        }
        // Backups that streamed for themselves leave islands. What the slot still keeps before them
        // fills the holes; segments that are there already are found equal and cost nothing.
        if let kept = slot?.restartLSN, segmentStart(kept) < position {
            let held = try archive.durableEnd(of: timeline, from: segmentStart(kept))
            let first = segmentStart(held ?? kept)
            if first < position { return StreamStart(timeline: timeline, position: first) }
        }
        return StreamStart(timeline: timeline, position: position)
    }
}
