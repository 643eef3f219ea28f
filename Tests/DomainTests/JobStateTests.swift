import Domain
import Testing

struct JobStateTests {
    @Test func `no job leaves an end, and every job comes to one`() {
        for state in JobState.allCases {
            let next = JobState.allCases.filter(state.canBecome)
            #expect(next.isEmpty == state.isEnd)
            #expect(!next.contains(state) && !next.contains(.queued))
        }
        #expect(JobState.queued.canBecome(.running))
        #expect(!JobState.queued.canBecome(.completed), "nobody did it")
        #expect(JobState.running.canBecome(.completedWarning))
    }

    @Test func `ids sort by the time they were given and come back from text`() throws {
        let early = JobID(time: Timestamp(seconds: 1000), random: (.max, .max))
        let late = JobID(time: Timestamp(seconds: 1001), random: (0, 0))
        #expect(early < late && late.time == Timestamp(seconds: 1001))
        #expect(try #require(JobID(early.description)) == early)
        #expect(JobID("0197a3c2") == nil)
    }
}
