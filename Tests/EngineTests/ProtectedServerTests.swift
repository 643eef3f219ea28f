import Domain
import Platform
import TestSupport
import Testing

/// The shortest way there and back, on every version: what all other server tests stand on.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct ProtectedServerTests {
    @Test(arguments: PostgresInstallation.testedMajors)
    func `a protected server comes back`(major: Int) throws {
        let installation = try PostgresInstallation.required(major)
        try ProtectedServer.with(
            installation,
            prepare: { try $0.pgbenchInit() },
            { protected in
                let stream = try protected.startStream()
                try protected.server.runPgbench(transactions: 200)
                try protected.waitUntilStreamed()
                let copy = try protected.restore([])
                #expect(try copy.psql("select count(*) from pgbench_history") == "400")
                #expect(try Set(copy.pgbenchSums()).count == 1)
                try copy.judge()
                #expect(stream.terminate().succeeded)
            }
        )
    }
}
