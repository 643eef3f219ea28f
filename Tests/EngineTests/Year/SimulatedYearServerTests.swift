import Platform
import TestSupport
import Testing

/// Weeks of a real server's life, or with `PGKEEP_TEST_YEAR=1` a year: cron's lines every day,
/// changes of policy, a hold, a server that is down, a pause of protection, clocks that jump.
///
/// Each day the points, the WAL and the window are what a plain account says, nothing gone early
/// and nothing late; now and then copies are restored, judged by pg_verifybackup, and read.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct SimulatedYearServerTests {
    @Test
    func `row 21, 22, 24, 25, 78, 92, 98: each day of a server's year restores as promised`() throws
    {
        let isWhole = environmentValue("PGKEEP_TEST_YEAR") == "1"
        try ScratchDirectory.with { scratch in
            let serverClock = try ShiftedClock(in: scratch)
            let hostClock = try ShiftedClock(in: scratch)
            var options = PostgresServer.Options(settings: [
                "autovacuum": "off", "checkpoint_timeout": "1d",
            ])
            options.segmentMegabytes = 1
            options.environment = serverClock.variables
            let prepare: (PostgresServer) throws -> Void = {
                try $0.psql("create table ledger (n int primary key)")
            }
            try ProtectedServer.withVault(
                .newest(),
                options: options,
                prepare: prepare
            ) { protected in
                protected.use(hostClock.variables)
                let year = try ServerYear(
                    protected,
                    server: serverClock,
                    host: hostClock,
                    isWhole ? .long : .short
                )
                try year.run()
                #expect(year.account.dropped > (isWhole ? 280 : 20), "\(year.account.dropped)")
            }
        }
    }
}
