import Domain
import TestSupport
import Testing

/// What is let go must not be missed: the recovery window before and after is the judge.
struct WALRetentionTests {
    private static let rounds = 150

    private func archive(_ round: Int, _ random: inout SeededRandom) -> SimulatedArchive {
        let cluster = RandomHistory.cluster(&random, promotions: round % 4)
        var archive = RandomHistory.archive(cluster, &random)
        archive.cluster.points.removeAll { _ in Int.random(in: 0..<3, using: &random) == 0 }
        return archive
    }

    private func rule(
        _ archive: SimulatedArchive,
        floors: [LSN] = [],
        live: Set<TimelineID> = [],
        since: Timestamp? = nil
    ) -> WALRetention {
        WALRetention(
            points: archive.cluster.points,
            timelines: TimelineTree(archive.histories),
            floors: floors,
            live: live,
            since: since
        )
    }

    /// The archive without what the rule lets go, and how many segments those were.
    private func pruned(
        _ archive: SimulatedArchive,
        _ rule: WALRetention
    ) -> (SimulatedArchive, dropped: Int) {
        var after = archive
        after.held = archive.held.filter { rule.reason(for: $0.key) != nil }
        return (after, archive.held.count - after.held.count)
    }

    @Test func `nothing that could be restored is lost`() throws {
        var dropped = 0
        for round in 0..<Self.rounds {
            var random = SeededRandom(stream: "retention \(round)")
            let before = archive(round, &random)
            let (after, count) = pruned(before, rule(before))
            #expect(after.window.intervals == before.window.intervals, "round \(round)")
            dropped += count
        }
        #expect(dropped > 100, "only \(dropped) segments were let go")
    }

    @Test func `a window of days keeps its moments, and islands keep their points`() throws {
        var islands = 0
        var dropped = 0
        for round in 0..<Self.rounds {
            var random = SeededRandom(stream: "islands \(round)")
            let before = archive(round, &random)
            let times = before.cluster.points.map(\.consistentAt).sorted()
            guard let first = times.first, let last = times.last else { continue }
            let since = Timestamp(
                microseconds: Int64.random(
                    in: first.microseconds...last.microseconds,
                    using: &random
                )
            )
            let rule = rule(before, since: since)
            let (after, count) = pruned(before, rule)
            dropped += count
            for segment in before.held.keys {
                if case .consistency = rule.reason(for: segment) { islands += 1 }
            }
            for point in before.cluster.points {
                let spec = RecoveryTargetSpec(.immediate(point.id), timeline: nil)
                let was = try before.planner.plan(spec).isReachable
                #expect(try after.planner.plan(spec).isReachable == was, "round \(round)")
            }
            for interval in before.window.intervals where interval.latest >= since {
                let from = max(since, interval.earliest)
                for time in [from, interval.latest] {
                    #expect(
                        after.window.contains(time, timeline: interval.timeline),
                        "round \(round), \(time) on \(interval.timeline), since \(since)"
                    )
                }
            }
        }
        #expect(dropped > 100 && islands > 30, "\(dropped) dropped, \(islands) islands")
    }

    @Test func `sessions, live branches and the unknown are left alone`() {
        var cluster = SimulatedInstance()
        for _ in 0..<4 { cluster.commit(bytes: 1 << 20) }
        let point = cluster.backup()
        let archive = SimulatedArchive(cluster)
        let first = archive.segment(1, SimulatedInstance.origin)
        let held = archive.segment(1, point.startLSN)
        #expect(rule(archive).reason(for: first) == nil)
        #expect(rule(archive).reason(for: held) == .replay(point.id))
        #expect(rule(archive, floors: [first.start]).reason(for: first) == .session)
        #expect(rule(archive, floors: [first.end]).reason(for: first) == nil)

        // A timeline nobody knows the past of may be the future.
        let unknown = WALSegment(timeline: 7, number: 0, size: SimulatedInstance.size)
        #expect(rule(archive).reason(for: unknown) == .undecided)
        var empty = archive
        empty.cluster.points = []
        #expect(rule(empty).reason(for: first) == .undecided)

        // The server went on to timeline 2, and a backup was taken there.
        cluster.promote()
        var abandoned = SimulatedArchive(cluster).held.keys.filter { $0.timeline == 1 }.max()
        abandoned?.number += 10
        cluster.points = []
        cluster.backup()
        let promoted = SimulatedArchive(cluster)
        guard let branch = abandoned else { return }
        #expect(rule(promoted).reason(for: branch) == nil)
        #expect(rule(promoted, live: [1]).reason(for: branch) == .undecided)
        #expect(rule(promoted).reason(for: first) == nil)
        // Without its history file nobody can tell what timeline 2 left behind.
        var lost = promoted
        lost.histories = []
        #expect(rule(lost).reason(for: first) == .undecided)
    }
}
