import Domain
import FoundationEssentials
import TestSupport
import Testing

/// The window is a promise: what lies in it can be planned, what lies outside cannot.
struct RecoveryWindowTests {
    @Test func `every moment inside is reachable and none outside`() throws {
        var inside = 0
        var outside = 0
        for round in 0..<60 {
            var random = SeededRandom(stream: "window \(round)")
            let cluster = RandomHistory.cluster(&random, promotions: round % 3)
            let archive = RandomHistory.archive(cluster, &random)
            let window = archive.window
            let planner = archive.planner
            for interval in window.intervals {
                let until = interval.streamedUntil ?? interval.latest
                for _ in 0..<5 {
                    let time = Timestamp(
                        microseconds: Int64.random(
                            in: interval.earliest.microseconds...until.microseconds,
                            using: &random
                        )
                    )
                    let plan = try planner.plan(
                        RecoveryTargetSpec(.time(time), timeline: interval.timeline)
                    )
                    #expect(plan.isReachable, "round \(round), \(time): \(plan.reason)")
                    inside += 1
                }
                let ends = [interval.earliestLSN, interval.latestLSN]
                for position in ends {
                    let plan = try planner.plan(
                        RecoveryTargetSpec(.lsn(position), timeline: interval.timeline)
                    )
                    #expect(plan.isReachable, "round \(round), \(position): \(plan.reason)")
                }
            }
            for _ in 0..<10 {
                let newest = archive.cluster.timeline
                let offset = Double.random(
                    in: -100...cluster.now.seconds(since: Timestamp(seconds: 1_700_000_000)) + 100,
                    using: &random
                )
                let time = Timestamp(microseconds: 1_700_000_000_000_000 + Int64(offset * 1e6))
                let held = archive.held.keys.contains { $0.timeline == newest }
                guard held, !window.contains(time, timeline: newest),
                    !isWithinStragglers(time, archive, window)
                else { continue }
                let plan = try planner.plan(RecoveryTargetSpec(.time(time), timeline: newest))
                #expect(!plan.isReachable, "round \(round), \(time): \(plan.reason)")
                outside += 1
            }
        }
        #expect(inside > 200 && outside > 50)
    }

    /// `latest` is the last commit's time; aborts and stragglers may prove a little more.
    private func isWithinStragglers(
        _ time: Timestamp,
        _ archive: SimulatedArchive,
        _ window: RecoveryWindow
    ) -> Bool {
        let newest = archive.cluster.records[archive.cluster.timeline] ?? []
        return window.intervals.contains { interval in
            interval.earliest <= time
                && newest.contains {
                    guard let end = $0.transactionEnd, end.end <= interval.latestLSN else {
                        return false
                    }
                    return end.time >= time && end.start >= interval.earliestLSN
                }
        }
    }

    @Test func `the JSON is the one design dot md shows`() throws {
        var cluster = SimulatedInstance()
        let point = cluster.backup()
        cluster.pass(seconds: 60)
        cluster.commit()
        var archive = SimulatedArchive(cluster)
        archive.losses = [
            .init(timeline: 1, start: LSN(32 << 20), end: LSN(48 << 20), cause: .neverArchived)
        ]
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let text = String(decoding: try encoder.encode(archive.window), as: UTF8.self)
        #expect(
            text == """
                {"gaps":[{"cause":"never-archived","from_lsn":"0/2000000",\
                "from_time":"2023-11-14T22:14:22Z",\
                "reason":"nobody streamed it while the server still had it",\
                "to_lsn":"0/3000000","to_time":null}],\
                "intervals":[{"earliest":"2023-11-14T22:13:21Z",\
                "earliest_lsn":"\(point.stopLSN)","island":false,\
                "latest":"2023-11-14T22:14:22Z",\
                "latest_lsn":"\(cluster.end)","points":["\(point.id)"],"timeline":1}]}
                """
        )
        let plan = try archive.plan(.time(try #require(Timestamp("2023-11-14T22:14:00Z"))))
        let planned = String(decoding: try encoder.encode(plan), as: UTF8.self)
        #expect(
            planned == """
                {"base_bytes":1000000,"effective_lsn":"\(point.stopLSN)",\
                "effective_time":"2023-11-14T22:13:21Z",\
                "eta_seconds":{"high":7,"likely":3,"low":1},"instance":"shop",\
                "last_reachable_lsn":null,"last_reachable_time":null,\
                "next_reachable_time":null,"point":"\(point.id)","reachable":true,\
                "reason":"replay stops before the transaction end of 2023-11-14T22:14:22Z",\
                "target":{"inclusive":true,"kind":"time","timeline":null,\
                "value":"2023-11-14T22:14:00Z"},"timeline":1,\
                "wal_bytes":\(point.stopLSN - point.startLSN),"wal_segments":1,"warnings":[]}
                """
        )
    }

    @Test func `islands have a window of their own and no promise between them`() throws {
        var cluster = SimulatedInstance()
        var points: [RecoveryPoint] = []
        for _ in 0..<3 {
            points.append(cluster.backup())
            for _ in 0..<40 {
                cluster.pass(seconds: 60)
                cluster.commit(bytes: 100_000)
            }
        }
        var archive = SimulatedArchive(cluster)
        for segment in archive.held.keys
        where segment.start > points[0].stopLSN && segment.end < points[1].startLSN {
            archive.held[segment] = nil
            archive.losses.append(
                .init(timeline: 1, start: segment.start, end: segment.end, cause: .pruned)
            )
        }
        let window = archive.window
        #expect(window.intervals.map(\.points) == [[points[0].id], [points[1].id, points[2].id]])
        #expect(window.gaps.map(\.cause) == [.pruned])
        #expect(window.gaps.map(\.cause.words).allSatisfy { $0.contains("let go") })
        #expect(window.gaps.first?.fromTime == window.intervals[0].end)
        #expect(window.gaps.first?.toTime == points[1].consistentAt)
        // The newest interval is no island, however short.
        #expect(window.intervals.map(\.isIsland) == [true, false])
        #expect(try archive.plan(.immediate(points[0].id)).isReachable)
        let between = points[1].consistentAt.adding(seconds: -300)
        #expect(try archive.plan(.time(between)).reason.contains("pruned"))
    }

    @Test func `WAL missing under the newest point is a gap although nothing follows`() {
        var cluster = SimulatedInstance()
        for _ in 0..<30 { cluster.commit(bytes: 100_000) }
        cluster.beginBackup()
        cluster.commit(bytes: 1_500_000)
        let point = cluster.endBackup()
        var archive = SimulatedArchive(cluster)
        archive.lose(1, point.stopLSN)
        let window = archive.window
        #expect(window.intervals.isEmpty && window.summary == "empty")
        #expect(window.gaps.map(\.to) == [point.stopLSN])
        #expect(window.latest == nil)
    }

    @Test func `parts and journals of one segment are put together`() {
        let segment = WALSegment(timeline: 1, number: 5, size: SimulatedInstance.size)
        func piece(_ from: UInt64, _ to: UInt64, _ form: WALHoldings.Form) -> WALHoldings.Piece {
            var summary = WALSummary(start: segment.start + from)
            summary.count(start: segment.start + from + 40, end: segment.start + to)
            return WALHoldings.Piece(
                segment: segment,
                start: segment.start + from,
                end: segment.start + to,
                form: form,
                summary: summary
            )
        }
        func stretches(_ pieces: [WALHoldings.Piece]) -> [Range<LSN>] {
            WALHoldings(segmentSize: SimulatedInstance.size, pieces: pieces).stretches(of: 1)
        }
        let start = segment.start
        #expect(
            stretches([piece(8000, 9000, .journal), piece(0, 8000, .part)])
                == [start..<start + 9000]
        )
        #expect(
            stretches([piece(9001, 12000, .journal), piece(0, 9000, .part)])
                == [start..<start + 9000]
        )
        #expect(stretches([piece(8000, 9000, .journal)]).isEmpty)
        #expect(
            stretches([piece(0, 5000, .journal), piece(0, 1 << 20, .sealed)])
                == [start..<segment.end]
        )
    }
}
