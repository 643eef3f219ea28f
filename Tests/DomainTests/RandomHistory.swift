import Domain
import TestSupport

/// Writes random histories and damages their archives.
enum RandomHistory {
    static func cluster(_ random: inout SeededRandom, promotions: Int) -> SimulatedInstance {
        var cluster = SimulatedInstance()
        var inBackup = false
        var left = promotions
        for _ in 0..<Int.random(in: 60...160, using: &random) {
            cluster.pass(seconds: Double.random(in: 0...2, using: &random))
            if Int.random(in: 0..<20, using: &random) == 0 { cluster.pass(seconds: 3600) }
            // Commit times are taken up to 0.9 s before the record is inserted.
            let time = Timestamp(
                microseconds: cluster.now.microseconds
                    - Int64.random(in: 0...900_000, using: &random)
            )
            let bytes = UInt64.random(in: 24...200_000, using: &random)
            switch Int.random(in: 0..<24, using: &random) {
            case 0..<12: cluster.commit(at: time, bytes: bytes)
            case 12, 13:
                cluster.nextXID += 1
                cluster.write(.abort(xid: cluster.nextXID, time: time), bytes: bytes)
            case 14:
                let name = ["before", "after", "nightly"].randomElement(using: &random) ?? ""
                cluster.write(.mark(name: name, time: time), bytes: 96)
            case 15, 16:
                if inBackup { cluster.endBackup() } else { cluster.beginBackup() }
                inBackup.toggle()
            case 17:
                cluster.pass(seconds: 5)
                cluster.keepalive()
                cluster.pass(seconds: 2)
            case 18 where left > 0 && !inBackup:
                left -= 1
                promote(&cluster, &random)
            default: cluster.write(.other, bytes: bytes)
            }
        }
        return cluster
    }

    /// Promotes, at times just behind a segment's end, and lets the old primary go on for a while
    /// on its own.
    private static func promote(_ cluster: inout SimulatedInstance, _ random: inout SeededRandom) {
        if Int.random(in: 0..<4, using: &random) == 0 { cluster.switchSegment() }
        let old = cluster
        cluster.promote()
        guard Bool.random(using: &random) else { return }
        var abandoned = old
        for _ in 0..<Int.random(in: 1...20, using: &random) {
            abandoned.pass(seconds: 1)
            abandoned.commit(bytes: UInt64.random(in: 24...200_000, using: &random))
        }
        cluster.records[old.timeline] = abandoned.records[old.timeline]
    }

    static func archive(
        _ cluster: SimulatedInstance,
        _ random: inout SeededRandom
    ) -> SimulatedArchive {
        var archive = SimulatedArchive(cluster)
        for (segment, end) in archive.held.sorted(by: { $0.key < $1.key }) {
            let bytes = end - segment.start
            let begin = cluster.histories[segment.timeline]?.forks.last?.end ?? .zero
            if end < segment.end, segment.start > begin, Bool.random(using: &random) {
                archive.held[segment] =
                    segment.start + UInt64.random(in: 1...bytes, using: &random)
            }
        }
        for index in archive.cluster.points.indices
        where Int.random(in: 0..<15, using: &random) == 0 {
            archive.cluster.points[index].state = .damaged
        }
        if Bool.random(using: &random) {
            // The segment a timeline begins with is lost more often: it is shared with the parent.
            let firsts = Set(
                cluster.histories.values.compactMap { history in
                    history.forks.last.map { archive.segment(history.timeline, $0.end) }
                }
            )
            for segment in archive.held.keys.sorted()
            where Int.random(in: 0..<(firsts.contains(segment) ? 4 : 25), using: &random) == 0 {
                archive.held[segment] = nil
                archive.losses.append(
                    .init(
                        timeline: segment.timeline,
                        start: segment.start,
                        end: segment.end,
                        cause: .slotLost
                    )
                )
            }
        }
        return archive
    }

    /// A target that is likely to be near something interesting.
    static func target(
        _ archive: SimulatedArchive,
        on timeline: TimelineID,
        _ random: inout SeededRandom
    ) -> (RecoveryTarget, inclusive: Bool) {
        let records = archive.cluster.records[timeline] ?? []
        let inclusive = Bool.random(using: &random)
        guard let record = records.randomElement(using: &random) else { return (.latest, true) }
        switch Int.random(in: 0..<10, using: &random) {
        case 0: return (.latest, true)
        case 1:
            let point = archive.cluster.points.randomElement(using: &random)
            return (point.map { .immediate($0.id) } ?? .latest, true)
        case 2...4:
            let base =
                record.transactionEnd?.time
                ?? archive.cluster.points.randomElement(using: &random)?.consistentAt
                ?? archive.cluster.now
            let shift = [0, 0, 1, -1, 500_000, 3_000_000, 900_000_000]
                .randomElement(using: &random)
            return (
                .time(Timestamp(microseconds: base.microseconds + Int64(shift ?? 0))), inclusive
            )
        case 5...7:
            let base = Bool.random(using: &random) ? record.start : record.end
            let shift = [0, 0, 8, 24, 40, 500].randomElement(using: &random) ?? 0
            return (.lsn(base + UInt64(shift)), inclusive)
        case 8:
            return (.xid(record.transactionEnd?.xid ?? 699), inclusive)
        default:
            let name = ["before", "after", "nightly", "never"].randomElement(using: &random)
            return (.name(name ?? ""), true)
        }
    }
}
