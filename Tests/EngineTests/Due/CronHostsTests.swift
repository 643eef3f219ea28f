import Domain
import Platform
import TestSupport
import Testing

/// Several hosts with the same cron lines and nothing in common but the vault: one does the work,
/// the others find it done or being done.
///
/// `PGKEEP_TEST_SCHEDULES` sets how many interleavings; seeds count up from `PGKEEP_TEST_SEED`, or
/// from 1.
struct CronHostsTests {
    private static let schedules =
        environmentValue("PGKEEP_TEST_SCHEDULES").flatMap { UInt64($0) } ?? 500
    private static let first = environmentValue("PGKEEP_TEST_SEED").flatMap { UInt64($0) } ?? 1

    @Test func `over 500 interleavings a slot is served once and no record is lost`() throws {
        let origin = try CronHosts.Origin()
        let workers = (0..<2).map { worker in
            Thread("search-\(worker)") {
                for number in 0..<Self.schedules where number % 2 == worker {
                    let hosts = CronHosts(origin, seed: Self.first &+ number)
                    if let wrong = try hosts.run() { return wrong }
                }
                return ""
            }
        }
        for worker in workers {
            let wrong = try worker.join()
            #expect(wrong.isEmpty, "\(wrong)")
        }
    }

    private struct Due: Decodable {
        struct Entry: Decodable {
            var instance: String
            var outcome: String
        }

        var instances: [Entry]
    }

    @Test(.enabled(if: PostgresInstallation.serversWanted))
    func `real processes with homes of their own share the work`() throws {
        try ProtectedServer.with(.newest()) { protected in
            let names = ["one", "two", "three"]
            for name in names {
                let server = try PostgresServer.create(
                    protected.server.installation,
                    in: protected.scratch
                )
                try protected.succeed(
                    ["instance", "add", name, "--source", server.conninfo, "--no-initial-backup"]
                )
            }
            let lines = [
                ["backup", "run-due", "--json"], ["vault", "prune"],
                ["wal", "stream", "main", "--until-caught-up"],
            ]
            var answers: [Due] = []
            for round in 0..<2 {
                let running = try (0..<3).map { host in
                    let home = try protected.scratch.serverDirectory("host-\(round)-\(host)")
                    return try lines.map { try protected.startPgkeep($0, ["HOME": home]) }
                }
                for (number, command) in running.flatMap({ $0 }).enumerated() {
                    let result = command.wait()
                    #expect(result.succeeded, "\(lines[number % 3]): \(result.errors)")
                    guard number % 3 == 0 else { continue }
                    answers.append(try ProtectedServer.read(result, as: Due.self))
                }
            }
            let entries = answers.flatMap(\.instances)
            #expect(entries.count == 6 * 4)
            for name in names {
                let own = entries.filter { $0.instance == name }.map(\.outcome)
                #expect(own.count { $0 == "completed" } == 1)
                #expect(Set(own).isSubset(of: ["completed", "busy", "not-due"]), "\(own)")
                let points = try protected.ask(
                    ["backup", "list", name],
                    as: ProtectedServer.PointList.self
                ).points
                #expect(points.count == 1)
            }
            try protected.succeed(["vault", "check", "--level", "decode"])
        }
    }
}
