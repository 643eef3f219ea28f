import Domain
import Platform
import TestSupport
import Testing

/// Cron's lines of two hosts, processes of the program with homes of their own against one vault
/// directory, killed at random moments, day after day.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct KilledHostsTests {
    private struct Due: Decodable {
        struct Entry: Decodable { var outcome: String }
        var instances: [Entry]
    }

    private struct Jobs: Decodable {
        struct Job: Decodable {
            var id: String
            var kind: String
            var state: String
        }
        var jobs: [Job]
    }

    private static let days =
        environmentValue("PGKEEP_TEST_KILLED_DAYS").flatMap { Int($0) } ?? 4
    private static let lines = [
        ["backup", "run-due"], ["wal", "stream", "main", "--until-caught-up"], ["vault", "prune"],
    ]

    @Test func `hosts killed at random moments serve each slot once and lose no record`() throws {
        try ScratchDirectory.with { scratch in
            let clock = try ShiftedClock(in: scratch)
            var options = PostgresServer.Options()
            options.environment = clock.variables
            let prepare: (PostgresServer) throws -> Void = { try $0.psql("create table t (n int)") }
            try ProtectedServer.withVault(
                .newest(),
                options: options,
                prepare: prepare
            ) { protected in
                protected.use(clock.variables)
                try passDays(protected, clock)
            }
        }
    }

    private func passDays(_ protected: ProtectedServer, _ clock: ShiftedClock) throws {
        var random = SeededRandom(stream: "killed hosts")
        // Tomorrow: the server's clock must not go back.
        let first = Timestamp(seconds: (SystemClock().now.seconds / 86400 + 1) * 86400)
        try clock.set(first.adding(seconds: 3 * 3600))
        // No point goes before the last day there may be.
        try protected.succeed(
            ["policy", "set", "default", "--schedule", "0 2 * * *", "--retention", "35"]
        )
        try protected.succeed(["instance", "add", "main", "--source", "service=main"])
        let homes = try (0..<2).map { try protected.scratch.serverDirectory("host-\($0)") }
        var seconds = 0.4
        var killed = 0
        for day in 1...Self.days {
            try clock.set(first.adding(seconds: Int64(day) * 86400 + 3 * 3600))
            try protected.server.psql("insert into t values (\(day))")
            for _ in 0..<3 {
                let running = try homes.flatMap { home in
                    try Self.lines.map { try protected.startPgkeep($0, ["HOME": home]) }
                }
                for command in running.shuffled(using: &random) {
                    letPass(seconds: Double.random(in: 0..<seconds / 3, using: &random))
                    let wasKilled = command.kill().signal != nil
                    killed += wasKilled ? 1 : 0
                    seconds *= wasKilled ? 1.05 : 0.9
                }
            }
            try serve(protected, clock, day)
            let triggers = try protected.points().map(\.trigger)
            #expect(triggers == ["initial"] + (0..<day).map { _ in "scheduled" })
        }
        #expect(killed > Self.days, "\(killed)")
        try protected.catchUp()
        try protected.succeed(["vault", "prune"])
        try protected.succeed(["activity", "verify"])
        try protected.succeed(["vault", "check", "--level", "decode"])
        let copy = try protected.restore(["--latest"])
        #expect(try copy.psql("select count(*) from t") == "\(Self.days)")
        try copy.stop()
    }

    /// Whoever comes after the dead does what they have not done, and ends what they had begun.
    private func serve(_ protected: ProtectedServer, _ clock: ShiftedClock, _ day: Int) throws {
        var outcomes: [String] = []
        for _ in 0..<12 {
            let entry = try protected.ask(["backup", "run-due"], as: Due.self).instances.first
            outcomes.append(entry?.outcome ?? "none")
            if outcomes.last == "completed" || outcomes.last == "not-due" { break }
            try clock.advance(seconds: 1200)
        }
        #expect(["completed", "not-due"].contains(outcomes.last), "day \(day): \(outcomes)")
        let jobs = try protected.ask(["job", "list", "--all"], as: Jobs.self).jobs
        let unended = jobs.filter { $0.state == "running" || $0.state == "queued" }
        #expect(unended.isEmpty, "day \(day): \(unended)")
    }
}
