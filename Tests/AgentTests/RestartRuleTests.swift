import Agent
import Testing

@Suite struct RestartRuleTests {
    private func fail(
        _ rule: inout RestartRule,
        _ failure: RestartRule.Failure = .broken,
        at now: Double,
        ran: Double = 0
    ) -> Double {
        rule.failed(failure, at: now, ranSeconds: ran, chance: 0.5)
    }

    @Test func `each try comes later than the one before, up to a minute`() {
        var rule = RestartRule()
        let pauses = (0..<9).map { fail(&rule, .unreachable, at: Double($0)) }
        #expect(pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60])
        // A server that is away is no crash, however long.
        #expect(!rule.isCrashLoop)
    }

    @Test func `a quarter of a pause is left to chance`() {
        for chance in [0.0, 1.0] {
            var rule = RestartRule()
            let pause = rule.failed(.unreachable, at: 0, ranSeconds: 0, chance: chance)
            #expect(pause == (chance == 0 ? 0.75 : 1.25))
        }
    }

    @Test func `five failures in ten minutes are a crash loop, with slow tries only`() {
        var rule = RestartRule()
        for time in 0..<4 { #expect(fail(&rule, at: Double(time)) < RestartRule.slowSeconds) }
        #expect(!rule.isCrashLoop)
        #expect(fail(&rule, at: 4) == RestartRule.slowSeconds)
        #expect(rule.isCrashLoop)
        // It stays one until a run is good, and then the first failure is the first again.
        #expect(fail(&rule, at: 4000) == RestartRule.slowSeconds)
        #expect(fail(&rule, at: 5000, ran: RestartRule.steadySeconds) == 1)
        #expect(!rule.isCrashLoop)
    }

    @Test func `failures far apart are no crash loop`() {
        var rule = RestartRule()
        for time in 0..<50 { _ = fail(&rule, at: Double(time) * 151) }
        #expect(!rule.isCrashLoop)
    }

    @Test func `what somebody else does is looked at again soon, always`() {
        var rule = RestartRule()
        let pauses = (0..<100).map { fail(&rule, .busy, at: Double($0)) }
        #expect(Set(pauses) == [RestartRule.busySeconds])
        #expect(!rule.isCrashLoop)
    }
}
