import Domain
import Engine
import Platform
import Sealing
import Storage
import TestSupport
import Testing
import Vaulting

/// Expiry of a real server's points and WAL, with days passing in this process.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct IslandServerTests {
    /// Prunes in this process as if so many days had passed.
    private func prune(
        _ protected: ProtectedServer,
        days: Double,
        trustsClock: Bool = false
    ) throws -> PruneReport.Instance {
        let vault = try Vault.open(
            store: FileStore(protected.vault),
            keySource: .keyFile(KeyFile.read(protected.keyFile))
        )
        let clock = ManualClock(SystemClock().now)
        clock.advance(seconds: days * 86400)
        let context = JobContext(vault: vault, clock: clock)
        let report = try PruneJob(context: context, trustsClock: trustsClock).run()
        for path in try ProtectedServer.contents(protected.vault).keys {
            try ServerUser.own(path)
        }
        let first = report.instances.first
        return try #require(first)
    }

    private func now(_ server: PostgresServer) throws -> Timestamp {
        try #require(Timestamp(server.psql("select clock_timestamp() at time zone 'UTC'")))
    }

    @Test func `row 21, 24, 25, 79: the window moves on, and older points stay as islands`() throws
    {
        let prepare: (PostgresServer) throws -> Void = { try $0.pgbenchInit() }
        try ProtectedServer.with(.newest(), prepare: prepare) { protected in
            let server = protected.server
            try protected.succeed(["policy", "create", "month", "--retention", "30"])
            try protected.succeed(["instance", "change-policy", "main", "--policy", "month"])
            try server.runPgbench(transactions: 50)
            let island = try protected.backup()
            try server.psql("select pg_switch_wal()")
            try server.runPgbench(transactions: 50)
            let between = try now(server)
            try server.runPgbench(transactions: 50)
            try server.psql("select pg_switch_wal()")
            let newest = try protected.backup()
            try server.runPgbench(transactions: 50)
            try protected.catchUp()
            try protected.succeed(["restore", "plan", "main", "--time", between.description])

            // Down for sixty days: its own clock says that no time has passed.
            let frozen = try prune(protected, days: 60)
            let lost = frozen.points.filter { !$0.kept }
            #expect(lost.isEmpty)
            #expect(try protected.points().count == 3)
            let whole = try protected.window().intervals
            #expect(whole.count == 1 && whole.first?.points.count == 3)

            let look = try protected.ask(
                ["policy", "set", "month", "--retention", "7", "--what-if"],
                as: Look.self
            )
            try protected.succeed([
                "policy", "set", "month", "--retention", "7", "--token", look.token,
            ])
            let report = try prune(protected, days: 10, trustsClock: true)
            let reasons = Dictionary(
                uniqueKeysWithValues: report.points.map { ("\($0.id)", $0.reason) }
            )
            #expect(reasons[protected.firstPoint.id]?.contains("expired") == true)
            #expect(reasons[island.id]?.contains("kept until") == true)
            #expect(reasons[newest.id]?.contains("newest") == true)
            #expect(report.wal.contains { !$0.kept })
            #expect(try protected.points().map(\.id) == [island.id, newest.id])

            // The island restores, the time after it does not; the window has no hole.
            try protected.refuses(
                ["restore", "plan", "main", "--time", between.description],
                .outsideWindow,
                []
            )
            let window = try protected.window()
            let last = try #require(window.intervals.last)
            #expect(last.points == [newest.id])
            #expect(LSN(newest.stopLsn) == last.earliestLsn)
            try protected.succeed(["vault", "check", "--level", "decode"])
            for target in [["--point", island.id], ["--point", newest.id], ["--latest"]] {
                let copy = try protected.restore(target)
                let sums = try copy.pgbenchSums()
                #expect(Set(sums).count == 1, "\(target): \(sums)")
                if target == ["--latest"] { #expect(sums == (try server.pgbenchSums())) }
                try copy.stop()
            }
        }
    }

    private struct Look: Decodable { var token: String }
}
