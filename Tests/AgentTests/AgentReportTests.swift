import Agent
import Domain
import Testing

struct AgentReportTests {
    @Test func `a report of an agent that has just begun is of one that works`() {
        let report = AgentReport(version: "1", host: "h", pid: 7, startedAt: Timestamp(seconds: 0))
        #expect(!report.isStopping)
        #expect(report.children.isEmpty)
    }
}
