import Domain
import TestSupport
import Testing

/// Schedules against the plainest reading of them: look at every minute there is.
struct CronScheduleTests {
    /// Clocks one hour ahead from `begin` to `end`.
    private struct Summer: ZoneRules {
        let name = "summer"
        var standard: Int64
        var begin: Timestamp
        var end: Timestamp

        func offset(at moment: Timestamp) -> Int64 {
            begin <= moment && moment < end ? standard + 3600 : standard
        }
    }

    private func time(_ text: String) throws -> Timestamp { try #require(Timestamp(text)) }

    private let berlin = Summer(
        standard: 3600,
        begin: Timestamp(seconds: 1_774_746_000),  // 2026-03-29 01:00 UTC
        end: Timestamp(seconds: 1_792_890_000)  // 2026-10-25 01:00 UTC
    )

    @Test(arguments: [
        ("30 23 * * *", "2026-03-14T12:00Z", "2026-03-13T23:30Z", "2026-03-14T23:30Z"),
        ("0 */6 * * *", "2026-03-14T12:00Z", "2026-03-14T12:00Z", "2026-03-14T18:00Z"),
        ("0 0 29 2 *", "2026-03-14T12:00Z", "2024-02-29T00:00Z", "2028-02-29T00:00Z"),
        ("0 4 * * mon-fri", "2026-03-15T12:00Z", "2026-03-13T04:00Z", "2026-03-16T04:00Z"),
        ("0 4 1 * sun", "2026-03-14T12:00Z", "2026-03-08T04:00Z", "2026-03-15T04:00Z"),
        ("@monthly", "2026-03-14T12:00Z", "2026-03-01T00:00Z", "2026-04-01T00:00Z"),
        ("5,10-12/2 1 * jan,DEC 7", "2026-03-14T12:00Z", "2026-01-25T01:12Z", "2026-12-06T01:05Z"),
    ])
    func `the time before and the time after`(
        _ text: String,
        _ now: String,
        _ last: String,
        _ next: String
    ) throws {
        let schedule = try CronSchedule(text)
        #expect(try schedule.last(atOrBefore: time(now), in: UTCRules()) == time(last))
        #expect(try schedule.next(after: time(now), in: UTCRules()) == time(next))
    }

    @Test(arguments: [
        "", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8",
        "5-1 * * * *", "*/0 * * * *", "a * * * *", "1, * * * *", "-1 * * * *", "0 0 30 2 *",
        "0 0 31 4,6 *", "@never", "1/2/3 * * * *", "+1 * * * *",
    ])
    func `what is no schedule is refused`(_ text: String) {
        let error = #expect(throws: PgkeepError.self) { try CronSchedule(text) }
        #expect(error?.code == .usage)
    }

    @Test func `clocks put forward make up for the hour that was skipped, once`() throws {
        let schedule = try CronSchedule("30 2 * * *")
        let slots = try slots(schedule, berlin, "2026-03-27T12:00Z", count: 4)
        #expect(
            slots == [
                "2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z",
                "2026-03-31T00:30:00Z",
            ]
        )
    }

    @Test func `clocks put back run the hour that comes twice once`() throws {
        let schedule = try CronSchedule("30 2 * * *")
        let slots = try slots(schedule, berlin, "2026-10-23T12:00Z", count: 3)
        #expect(
            slots == ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        )
    }

    private func slots(
        _ schedule: CronSchedule,
        _ zone: any ZoneRules,
        _ from: String,
        count: Int
    ) throws -> [String] {
        var moment = try time(from)
        return try (0..<count).map { _ in
            moment = try #require(schedule.next(after: moment, in: zone))
            return moment.description
        }
    }

    @Test func `forward and backward agree with a look at every minute`() throws {
        var random = SeededRandom(stream: "cron")
        let texts = [
            "*/7 * * * *", "0 * * * *", "30 1,2,3 * * *", "0 0 * * *", "59 23 * * 6", "15 2 25 * 0",
        ]
        for round in 0..<60 {
            let zone = Summer(
                standard: Int64.random(in: -11...11, using: &random) * 3600 + 1800,
                begin: berlin.begin,
                end: berlin.end
            )
            let schedule = try CronSchedule(texts[round % texts.count])
            let change = Bool.random(using: &random) ? zone.begin : zone.end
            let start = change.seconds / 60 * 60 + Int64.random(in: -200...200, using: &random) * 60
            // The whole truth about three days: what clocks show, first times only.
            var shown: Set<LocalTime> = []
            var expected: [Timestamp] = []
            for minute in -4320...4320 {
                let moment = Timestamp(seconds: start + Int64(minute) * 60)
                let local = LocalTime(moment, in: zone)
                var due = [local]
                if moment == zone.begin {
                    due = (0...60).map { LocalTime(seconds: local.seconds - Int64($0) * 60) }
                }
                let isDue = due.contains { candidate in
                    !shown.contains(candidate)
                        && schedule.last(
                            atOrBefore: Timestamp(seconds: candidate.seconds),
                            in: UTCRules()
                        ) == Timestamp(seconds: candidate.seconds)
                }
                shown.formUnion(due)
                if isDue { expected.append(moment) }
            }
            let now = Timestamp(seconds: start)
            // The week's schedules may have none within three days.
            if let last = expected.last(where: { $0 <= now }) {
                #expect(schedule.last(atOrBefore: now, in: zone) == last, "\(round) \(zone)")
            }
            if let next = expected.first(where: { $0 > now }) {
                #expect(schedule.next(after: now, in: zone) == next, "\(round) \(zone)")
            }
        }
    }
}
