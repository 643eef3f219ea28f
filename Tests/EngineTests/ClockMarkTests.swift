import Domain
import Engine
import Testing

/// A clock that jumps ahead lets nothing go before its time.
struct ClockMarkTests {
    private let start = Timestamp(seconds: 1_767_225_600)

    private func at(_ days: Double) -> Timestamp {
        Timestamp(microseconds: start.microseconds + Int64(days * 86400 * 1e6))
    }

    private func judge(
        _ days: Double,
        running: Double = 0,
        boot: String = "b",
        last: ClockMark?,
        evidence: Double? = nil,
        isTrusted: Bool = false
    ) -> ClockMark.Verdict {
        ClockMark.judge(
            at(days),
            monotonicSeconds: running * 86400,
            boot: boot,
            last: last,
            evidence: evidence.map(at),
            isTrusted: isTrusted
        )
    }

    @Test func `days that pass one by one are believed`() {
        var mark: ClockMark?
        for day in 0..<30 {
            let boot = "\(day / 3)"
            let verdict = judge(Double(day), running: Double(day % 3), boot: boot, last: mark)
            #expect(verdict.now == at(Double(day)) && verdict.warning == nil)
            mark = verdict.mark
        }
    }

    @Test func `a jump is doubted for two days, then believed if the clock goes on from there`() {
        let first = judge(0, last: nil).mark
        let jumped = judge(400, boot: "new", last: first)
        #expect(jumped.now == at(0) && jumped.warning?.contains("--trust-clock") == true)
        let later = judge(401, running: 1, boot: "new", last: jumped.mark)
        #expect(later.now == at(1) && later.warning != nil)
        let still = judge(402.5, boot: "newer", last: later.mark)
        #expect(still.now == at(402.5) && still.warning == nil)
    }

    @Test func `a jump back ends the doubt, and nothing was let go`() {
        let first = judge(0, last: nil).mark
        let jumped = judge(400, boot: "new", last: first)
        let back = judge(1, boot: "new", last: jumped.mark)
        #expect(back.now == at(1) && back.warning == nil && back.mark.jump == nil)
        #expect(judge(2, running: 1, boot: "new", last: back.mark).warning == nil)
    }

    @Test func `the server's clock, a running machine and the operator vouch for it`() {
        let first = judge(0, last: nil).mark
        #expect(judge(60, boot: "new", last: first, evidence: 59).now == at(60))
        #expect(judge(60, boot: "new", last: first, evidence: 57).now == at(0))
        // The machine was on all the while.
        #expect(judge(60, running: 60, last: first).now == at(60))
        #expect(judge(60, boot: "new", last: first, isTrusted: true).now == at(60))
    }

    @Test func `a machine that ran an hour knows better than two clocks that agree`() {
        let first = judge(0, last: nil).mark
        let verdict = judge(400, running: 1.0 / 24, last: first, evidence: 400)
        #expect(verdict.now == at(1.0 / 24) && verdict.warning != nil)
    }
}
