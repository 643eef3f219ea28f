import Domain
import Glibc
import Platform
import TestSupport
import Testing

@Suite struct ResidentMemoryTests {
    @Test func `what was let go of is there again when it is needed`() throws {
        var sum = 0
        for round in 0..<20 {
            ResidentMemory.trim()
            // Code, constants and heap of this very process.
            let texts = (0..<100).map { "\($0) of \(round)" }
            sum += texts.joined(separator: ",").utf8.count
        }
        #expect(sum > 0)
        let before = try #require(ChildProcess.residentBytes(of: getpid()))
        #expect(before > 0)
    }
}
