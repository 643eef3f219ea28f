import Domain
import TestSupport
import Testing

/// Which points go, against a plain reading of the rules, and against the planner: what had to stay
/// within reach still is.
struct RetentionTests {
    private static let rounds = 200
    private static let day: Int64 = 86400

    /// Days of commits and backups, some with their expiry set, on one or more timelines.
    private static func history(
        _ random: inout SeededRandom,
        promotions: Int
    ) -> SimulatedInstance {
        var cluster = SimulatedInstance()
        var left = promotions
        for _ in 0..<Int.random(in: 10...40, using: &random) {
            cluster.pass(seconds: Double.random(in: 3600...40000, using: &random))
            cluster.commit(bytes: UInt64.random(in: 24...400_000, using: &random))
            switch Int.random(in: 0..<8, using: &random) {
            case 0...3:
                cluster.backup()
                let last = cluster.points.count - 1
                let point = cluster.points[last]
                let days = Int64([1, 3, 7, 30].randomElement(using: &random) ?? 7)
                if Int.random(in: 0..<10, using: &random) > 0 {
                    cluster.points[last].expiresAt = point.finishedAt.adding(seconds: days * day)
                }
                if Int.random(in: 0..<12, using: &random) == 0 {
                    cluster.points[last].state = .damaged
                }
            case 4 where left > 0:
                left -= 1
                cluster.promote()
            case 5:
                cluster.pass(seconds: 5)
                cluster.keepalive()
                cluster.pass(seconds: 5)
            case 6: cluster.pass(seconds: Double(day) * 3)
            default: break
            }
        }
        return cluster
    }

    private struct Case {
        var archive: SimulatedArchive
        var retention: Retention
        var holds: [Hold]
        var verified: Set<PointID>
        var terms: Retention.Terms
        var now: Timestamp

        /// Commits a plan brings back, unless it brings back nothing.
        func commits(before plan: RestorePlan, _ interval: RecoveryWindow.Interval) -> Int? {
            guard plan.isReachable, let time = plan.effectiveTime else { return nil }
            return archive.cluster.records[interval.timeline]?.count {
                $0.transactionEnd.map { $0.isCommit && $0.time <= time } ?? false
            }
        }
    }

    private func make(_ round: Int) throws -> Case {
        var random = SeededRandom(stream: "expiry \(round)")
        let cluster = Self.history(&random, promotions: round % 3)
        let archive = RandomHistory.archive(cluster, &random)
        let terms = Retention.Terms(
            retentionDays: Int.random(in: 0...8, using: &random),
            minRedundancy: Int.random(in: 1...3, using: &random)
        )
        let now = cluster.now.adding(seconds: Int64.random(in: -200_000...800_000, using: &random))
        var holds: [Hold] = []
        for number in 0..<Int.random(in: 0...2, using: &random) {
            guard let point = cluster.points.randomElement(using: &random) else { continue }
            let shift = Int64.random(in: -9000...9000, using: &random)
            let from = point.consistentAt.adding(seconds: shift)
            holds.append(
                Hold(
                    id: PointID(milliseconds: UInt64(number), random: (1, 1)),
                    instance: simulatedName,
                    subject: Bool.random(using: &random)
                        ? .point(point.id) : .moments(from: from, to: from.adding(seconds: 90000)),
                    title: "case \(number)",
                    createdAt: now,
                    by: "me"
                )
            )
        }
        let verified = Set(cluster.points.filter { _ in Bool.random(using: &random) }.map(\.id))
        return Case(
            archive: archive,
            retention: Retention(
                points: archive.cluster.points,
                intervals: archive.window.intervals,
                holds: holds,
                verified: verified,
                terms: terms,
                now: now
            ),
            holds: holds,
            verified: verified,
            terms: terms,
            now: now
        )
    }

    /// The archive after expiry, and after pruning of its WAL.
    private func after(_ made: Case) -> SimulatedArchive {
        var archive = made.archive
        let dropped = Set(made.retention.dropped)
        archive.cluster.points.removeAll { dropped.contains($0.id) }
        let rule = WALRetention(
            points: archive.cluster.points,
            timelines: TimelineTree(archive.histories),
            since: made.retention.since,
            moments: made.holds.compactMap(\.moments)
        )
        archive.held = archive.held.filter { rule.reason(for: $0.key) != nil }
        return archive
    }

    @Test func `row 23, 24, 25: every moment of the window stays within reach`() throws {
        var (dropped, moments) = (0, 0)
        for round in 0..<Self.rounds {
            let made = try make(round)
            let (before, after) = (made.archive, after(made))
            dropped += made.retention.dropped.count
            let since = try #require(made.retention.since)
            #expect(since == made.now.adding(seconds: -Int64(made.terms.retentionDays) * Self.day))
            var wanted = [since...Timestamp(microseconds: .max)]
            wanted += made.holds.compactMap(\.moments)
            for interval in before.window.intervals {
                let end = interval.streamedUntil ?? interval.latest
                for span in wanted where end >= span.lowerBound {
                    let from = max(span.lowerBound, interval.earliest)
                    let to = min(span.upperBound, end)
                    guard from <= to else { continue }
                    let half = (to.microseconds - from.microseconds) / 2
                    let middle = Timestamp(microseconds: from.microseconds + half)
                    for time in [from, middle, to] {
                        moments += 1
                        let spec = RecoveryTargetSpec(.time(time), timeline: interval.timeline)
                        let was = try before.planner.plan(spec)
                        let plan = try after.planner.plan(spec)
                        #expect(
                            plan.isReachable == was.isReachable,
                            "round \(round), \(time) on \(interval.timeline)"
                        )
                        // Another base may name the same state by another moment.
                        let states = [plan, was].map { made.commits(before: $0, interval) }
                        #expect(states[0] == states[1], "round \(round), \(time)")
                    }
                }
            }
        }
        #expect(dropped > 200 && moments > 200, "\(dropped) dropped, \(moments) moments")
    }

    /// Row 79: whatever stays can be restored by itself, within the window or not.
    @Test func `row 79: points outside the window stay as islands until they expire`() throws {
        var islands = 0
        for round in 0..<Self.rounds {
            let made = try make(round)
            let after = after(made)
            let since = try #require(made.retention.since)
            for point in after.cluster.points where point.state == .completed {
                let spec = RecoveryTargetSpec(.immediate(point.id), timeline: nil)
                let was = try made.archive.planner.plan(spec).isReachable
                #expect(try after.planner.plan(spec).isReachable == was, "round \(round)")
                if point.consistentAt < since { islands += 1 }
            }
        }
        #expect(islands > 50)
    }

    /// The rules read one by one, with nothing shared with the code that is tested.
    @Test func `what goes is expired and needed by nothing, and all of that goes`() throws {
        for round in 0..<Self.rounds {
            let made = try make(round)
            let points = made.archive.cluster.points
            let good = points.filter { $0.state == .completed }
                .sorted { ($0.timeline, $0.stopLSN, $0.id) < ($1.timeline, $1.stopLSN, $1.id) }
            let since = try #require(made.retention.since)
            for point in points {
                var needs: [String] = []
                if point.expiresAt.map({ $0 > made.now }) ?? true { needs.append("not expired") }
                let newest = good.suffix(made.terms.minRedundancy)
                if newest.contains(point) { needs.append("newest") }
                if good.last(where: { made.verified.contains($0.id) }) == point {
                    needs.append("verified")
                }
                if made.holds.contains(where: { $0.subject == .point(point.id) }) {
                    needs.append("held")
                }
                var spans = [since...Timestamp(microseconds: .max)]
                for moments in made.holds.compactMap(\.moments) {
                    spans.append(moments)
                    if point.state == .completed, moments.contains(point.consistentAt) {
                        needs.append("held")
                    }
                }
                for interval in made.archive.window.intervals {
                    for span in spans where Self.begins(interval, span, good) == point.id {
                        needs.append("anchor")
                    }
                    let isLast = interval.streamedUntil == point.consistentAt
                    guard isLast, point.stopLSN <= interval.latestLSN else { continue }
                    for span in spans
                    where point.consistentAt >= span.lowerBound
                        && span.upperBound > interval.latest
                    {
                        needs.append("witness")
                    }
                }
                let verdict = made.retention.verdicts.first { $0.point == point.id }
                #expect(verdict?.isKept == !needs.isEmpty, "round \(round), \(point.id): \(needs)")
            }
        }
    }

    /// The point with which an interval begins to reach a span, if it reaches it at all.
    private static func begins(
        _ interval: RecoveryWindow.Interval,
        _ span: ClosedRange<Timestamp>,
        _ good: [RecoveryPoint]
    ) -> PointID? {
        guard interval.streamedUntil ?? interval.latest >= span.lowerBound,
            interval.earliest <= span.upperBound
        else { return nil }
        var found: PointID?
        for id in interval.points {
            guard let point = good.first(where: { $0.id == id }) else { continue }
            if found == nil || point.consistentAt <= span.lowerBound { found = id }
        }
        return found
    }

    @Test func `row 21: nothing of a frozen instance goes`() throws {
        for round in 0..<30 {
            let made = try make(round)
            let frozen = Retention(
                points: made.archive.cluster.points,
                intervals: made.archive.window.intervals,
                terms: made.terms,
                freeze: "stopped",
                now: made.now.adding(seconds: 3650 * Self.day)
            )
            #expect(frozen.dropped.isEmpty && frozen.since == nil)
        }
    }

    @Test func `in the end no more is left than is wanted in any case`() throws {
        for round in 0..<60 {
            let made = try make(round)
            let points = made.archive.cluster.points
            var left = points
            for days in stride(from: Int64(0), through: 60, by: 5) {
                let retention = Retention(
                    points: left,
                    intervals: made.archive.window.intervals,
                    terms: made.terms,
                    now: made.now.adding(seconds: days * Self.day)
                )
                let dropped = Set(retention.dropped)
                left.removeAll { dropped.contains($0.id) }
            }
            let unexpired = points.filter { $0.expiresAt == nil }.count
            let good = points.filter { $0.state == .completed && $0.expiresAt != nil }.count
            let wanted = min(made.terms.minRedundancy, good)
            #expect(left.count <= unexpired + wanted, "round \(round)")
            #expect(good == 0 || left.contains { $0.state == .completed }, "round \(round)")
        }
    }
}
