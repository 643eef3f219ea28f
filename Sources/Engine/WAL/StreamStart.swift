package import Domain
package import Postgres
package import Vaulting

/// Where a WAL stream begins: the archive's end, checked against what the server is and still has.
package struct StreamStart {
    /// The timeline to ask for.
    package var timeline: TimelineID
    /// The first byte, a segment's start.
    package var position: LSN

    /// Decides where to begin.
    ///
    /// - Parameters:
    ///   - archive: what the vault holds.
    ///   - identity: what the server says of itself.
    ///   - history: the history of the server's timeline; nil on timeline 1.
    ///   - slot: the instance's slot on the server; nil when it uses none.
    /// - Throws: what reading the archive throws.
    package static func choose(
        archive: WALArchive,
        identity: SystemIdentity,
        history: TimelineHistory?,
        slot: ReplicationSlot?
    ) throws -> StreamStart {
        let size = archive.segmentSize
        // Without anything archived the slot says what the server has kept for us.
        let fresh = StreamStart(
            timeline: slot?.timeline ?? identity.timeline,
            position: size.segmentStart(slot?.restartLSN ?? identity.position)
        )
        let path = history ?? .root(identity.timeline)
        guard let (timeline, position) = archive.resumption(on: path) else { return fresh }
        var start = StreamStart(timeline: timeline, position: position)
        if let end = path.end(of: timeline), position > end {
            // The archive holds more of the old timeline than the new one descends from. That rest
            // is a dead branch; the new timeline goes on where it left the old one.
            start = StreamStart(timeline: path.timeline(at: end), position: size.segmentStart(end))
        }
        // Backups that streamed for themselves leave islands. What the slot still keeps before them
        // fills the holes; segments that are there already are found equal and cost nothing.
        guard let kept = slot?.restartLSN else { return start }
        return try firstHole(in: archive, from: kept, before: start, path) ?? start
    }

    /// The first segment from `kept` on that is not held whole, along the server's history; nil
    /// when all is there before `start`.
    private static func firstHole(
        in archive: WALArchive,
        from kept: LSN,
        before start: StreamStart,
        _ path: TimelineHistory
    ) throws -> StreamStart? {
        let size = archive.segmentSize
        var place = StreamStart(
            timeline: path.timeline(at: kept),
            position: size.segmentStart(kept)
        )
        while (place.timeline, place.position) < (start.timeline, start.position) {
            let held =
                try archive.durableEnd(of: place.timeline, from: place.position) ?? place.position
            if let end = path.end(of: place.timeline), held >= end {
                place = StreamStart(
                    timeline: path.timeline(at: end),
                    position: size.segmentStart(end)
                )
                continue
            }
            place.position = size.segmentStart(held)
            let isHole = (place.timeline, place.position) < (start.timeline, start.position)
            return isHole ? place : nil
        }
        return nil
    }
}
