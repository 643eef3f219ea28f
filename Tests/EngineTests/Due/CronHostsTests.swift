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

    /// How many interleavings had which trouble.
    private struct Tally: CustomStringConvertible {
        var wrong: String?
        var runs = 0
        var someoneDied = 0
        var answerWasLost = 0
        var backupTakenOver = 0
        var drillTakenOver = 0

        var description: String {
            "\(runs) interleavings; in \(someoneDied) somebody died, in \(answerWasLost) answers"
                + " were lost, in \(backupTakenOver) a backup was taken over, in"
                + " \(drillTakenOver) a drill"
        }

        mutating func add(_ finding: CronHosts.Finding) {
            runs += 1
            someoneDied += finding.someoneDied ? 1 : 0
            answerWasLost += finding.answerWasLost ? 1 : 0
            backupTakenOver += finding.backupTakenOver ? 1 : 0
            drillTakenOver += finding.drillTakenOver ? 1 : 0
        }
    }

    /// Runs schedules with seeds counting up, to the first in which something wrong is found that
    /// `matters`.
    private func search(
        _ count: UInt64,
        apart: String? = nil,
        matters: @escaping @Sendable (String) -> Bool = { _ in true }
    ) throws -> Tally {
        let origin = try CronHosts.Origin()
        let tally = Condition(Tally())
        let workers = (0..<2).map { worker in
            Thread<Void>("search-\(worker)") {
                for number in 0..<count where number % 2 == worker {
                    guard tally.read({ $0.wrong == nil }) else { return }
                    let hosts = CronHosts(origin, seed: Self.first &+ number, apart: apart)
                    let finding = try hosts.run()
                    tally.change { tally in
                        tally.add(finding)
                        if let wrong = finding.wrong, matters(wrong) { tally.wrong = wrong }
                    }
                }
            }
        }
        for worker in workers { try worker.join() }
        return tally.read { $0 }
    }

    @Test func `over 500 interleavings a slot is served once and no record is lost`() throws {
        let tally = try search(Self.schedules)
        #expect(tally.wrong == nil, "\(tally.wrong ?? "")")
        guard tally.wrong == nil else { return }
        print("cron lines of several hosts: \(tally)")
        // A search in which nothing happens finds nothing.
        let runs = Int(Self.schedules)
        #expect(tally.runs == runs)
        #expect(tally.someoneDied >= runs / 5, "\(tally)")
        #expect(tally.answerWasLost >= runs / 8, "\(tally)")
        #expect(tally.backupTakenOver >= runs / 40, "\(tally)")
        #expect(tally.drillTakenOver >= runs / 40, "\(tally)")
    }

    @Test(arguments: [
        ("/claim/", "2 points for one slot"), ("/claim/due/", "2 points for one slot"),
        ("/claim/drill/", "drilled 2 times"), ("/lease/", "2 points for one slot"),
    ])
    func `without the lock what is due is done twice, and the search finds it`(
        lock: String,
        wanted: String
    ) throws {
        let tally = try search(200, apart: lock) { $0.contains(wanted) }
        #expect(tally.wrong != nil, "\(tally)")
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
