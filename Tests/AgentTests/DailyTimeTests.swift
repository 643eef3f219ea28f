import Agent
import Domain
import Testing

@Suite struct DailyTimeTests {
    private let time = DailyTime(minute: 210)
    private let noon = Timestamp("2026-03-14T12:00:00Z") ?? Timestamp(seconds: 0)

    @Test(arguments: ["3:30", "24:00", "03:60", "03:30:00", "0330", "", "ab:cd", "-1:00"])
    func `what is no time of the day is refused`(text: String) {
        #expect(DailyTime(text) == nil)
    }

    @Test func `work is due once a day, and made up for once`() {
        #expect(DailyTime("03:30") == time)
        let slot = Timestamp("2026-03-14T03:30:00Z")
        #expect(time.last(before: noon) == slot)
        #expect(time.last(before: Timestamp("2026-03-14T03:29:59Z") ?? noon) < slot ?? noon)
        func due(_ begun: String?, delay: Int64 = 0) -> String {
            time.due(lastBegun: begun.flatMap { Timestamp($0) }, now: noon, delay: delay)
                .description
        }
        // Never done, or not for a week: now, once.
        #expect(due(nil) == "2026-03-14T03:30:00Z")
        #expect(due("2026-03-07T03:31:00Z") == "2026-03-14T03:30:00Z")
        // Done today: tomorrow.
        #expect(due("2026-03-14T03:30:00Z") == "2026-03-15T03:30:00Z")
        #expect(due("2026-03-14T03:40:00Z", delay: 600) == "2026-03-15T03:40:00Z")
        // Done by a clock that was ahead: as if it had not been.
        #expect(due("2026-03-20T00:00:00Z") == "2026-03-14T03:30:00Z")
    }
}
