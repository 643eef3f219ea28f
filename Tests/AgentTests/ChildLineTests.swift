import Agent
import Domain
import Logging
import Testing

@Suite struct ChildLineTests {
    @Test func `a line of a child's log keeps its level and its details`() {
        let line = ChildLine(
            #"{"time":"2026-01-01T00:00:00Z","level":"warning","message":"gone","slot":"a \"b\""}"#
        )
        #expect(line.level == .warning)
        #expect(line.message == "gone")
        #expect(line.metadata == ["slot": "a \"b\""])
        #expect(!line.isFailure)
    }

    @Test(arguments: ["{", "{}", #"{"message":7}"#, "words", "", "[1]"])
    func `anything else is words for people`(text: String) {
        let line = ChildLine(text)
        #expect(line.message == text)
        #expect(line.level == .notice)
        #expect(line.metadata.isEmpty)
    }

    @Test func `a failure is known by its form`() {
        let failure = ChildLine("pgkeep: the server is away")
        #expect(failure.isFailure)
        #expect(failure.message == "the server is away")
        #expect(!ChildLine("  → start it").isFailure)
    }

    @Test func `the answer of due work tells when to look again`() throws {
        let now = Timestamp(seconds: 1_000_000)
        func seconds(_ outcome: String, _ next: Int64?) throws -> Double {
            let moment = next.map { "\"\(now.adding(seconds: $0))\"" } ?? "null"
            let text = """
                {"instances":[{"instance":"a","outcome":"\(outcome)","next_at":\(moment)}]}
                """
            return try #require(DueAnswer(Array(text.utf8))).secondsToLook(now)
        }
        #expect(try seconds("not-due", 100) == 100.5)
        #expect(try seconds("not-due", 86400) == DueAnswer.lookSecondsMax)
        #expect(try seconds("not-due", -10) == 5)
        #expect(try seconds("waiting", 60) == 60.5)
        // A stopped server may be back at any moment, whatever the schedule says.
        #expect(try seconds("skipped", 86400) == DueAnswer.lookSeconds)
        #expect(try seconds("busy", nil) == DueAnswer.lookSeconds)
        #expect(DueAnswer([]) == nil)
        #expect(DueAnswer(Array(#"{"instances":[]}"#.utf8)) == nil)
    }
}
