import Domain
import FoundationEssentials
import Platform
import TestSupport
import Testing

/// Restore drills of a live server, by the program: what they prove, and what is left of them.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct DrillServerTests {
    struct Drill: Decodable {
        struct Target: Decodable {
            var kind: String
            var random: Bool
        }
        struct Phase: Decodable {
            var name: String
            var seconds: Double
        }
        struct Check: Decodable {
            var name: String
            var passed: Bool
            var message: String?
        }
        var id: String
        var trigger: String
        var outcome: String
        var level: String?
        var point: String?
        var target: Target
        var requestedTime: Timestamp?
        var effectiveTime: Timestamp?
        var phases: [Phase]
        var checks: [Check]
        var rtoSeconds: Double?
        var errorCode: String?
        var message: String?
    }

    struct DrillList: Decodable { var drills: [Drill] }

    private struct Job: Decodable {
        var id: String
        var kind: String
        var trigger: String
        var state: String
        var percent: Double
        var point: String?
        var errorCode: String?
        var retryable: Bool
        var phases: [Phase]

        struct Phase: Decodable { var name: String }
    }

    private struct JobList: Decodable { var jobs: [Job] }

    private struct Status: Decodable {
        struct Instance: Decodable {
            var state: String
            var provenAt: Timestamp?
            var provenLevel: String?
        }
        var instances: [Instance]
    }

    private struct Proven: Decodable {
        struct Point: Decodable {
            var id: String
            var provenAt: Timestamp?
            var provenLevel: String?
            var unsoundAt: Timestamp?
            var lastDrill: String?
        }
        var points: [Point]
    }

    /// Where a test's drills make their directories.
    private func place(_ protected: ProtectedServer) throws -> String {
        try protected.scratch.serverDirectory("drills", mode: 0o755)
    }

    private func arguments(_ protected: ProtectedServer, _ verb: String = "run") throws -> [String]
    {
        let place = protected.scratch.file("drills")
        let name = verb == "run" ? [ProtectedServer.name] : []
        return ["drill", verb] + name
            + ["--to-dir", place, "--pg-bin", protected.server.installation.binaries]
    }

    private func file(_ protected: ProtectedServer, _ name: String, _ text: String) throws
        -> String
    {
        let path = protected.scratch.file(name)
        try FileSystem.writeAtomically(path, Array(text.utf8), mode: 0o644)
        try ServerUser.own(path)
        return path
    }

    private func drills(_ protected: ProtectedServer) throws -> [Drill] {
        try protected.ask(["drill", "list", "main"], as: DrillList.self).drills
    }

    private func jobs(_ protected: ProtectedServer) throws -> [Job] {
        try protected.ask(["job", "list", "--kind", "drill"], as: JobList.self).jobs
    }

    private func status(_ protected: ProtectedServer) throws -> Status.Instance {
        try #require(try protected.ask(["status"], as: Status.self).instances.first)
    }

    /// Nothing is left: no file, no server.
    private func expectNothingLeft(_ place: String) throws {
        #expect(try FileSystem.list(place) == [])
    }

    @Test(arguments: PostgresInstallation.testedMajors)
    func `row 74: a drill restores, starts, checks and cleans up, and its receipt says so`(
        major: Int
    ) throws {
        try ProtectedServer.with(.required(major)) { protected in
            try protected.server.psql(
                "create table orders as select generate_series(1, 1000) as id"
            )
            try protected.catchUp()
            let place = try place(protected)
            let good = try file(
                protected,
                "good.sql",
                "create temp table seen as select * from orders;"
                    + " select count(*) = 1000 from seen; select 'f', false;"
            )
            let report = protected.scratch.file("operator/drill.xml")
            let result = try protected.pgkeep(
                arguments(protected)
                    + ["--check", good, "--check", "template1=\(good)", "--junit", report]
            )
            // In template1 there is no such table.
            #expect(result.exitCode == 6, "\(result.errors)")
            let passed = try protected.pgkeep(
                arguments(protected) + ["--check", good, "--json"]
            )
            #expect(passed.exitCode == 0, "\(passed.errors)")
            let drill = try ProtectedServer.read(passed, as: Drill.self)
            #expect(drill.outcome == "sound" && drill.level == "checked")
            #expect(drill.point == protected.firstPoint.id && drill.trigger == "manual")
            #expect(drill.phases.map(\.name) == ["restore", "verify", "start", "check"])
            #expect((drill.rtoSeconds ?? 0) > 0 && drill.errorCode == nil)
            #expect(drill.checks.last?.name == good)
            let installation = protected.server.installation
            let hasAmcheck =
                installation.has("pg_amcheck") && installation.hasExtension("amcheck")
            #expect(drill.checks.contains { $0.name == "pg_amcheck" } == hasAmcheck)
            try expectNothingLeft(place)

            let kept = try drills(protected)
            #expect(kept.map(\.outcome) == ["unsound", "sound"])
            #expect(kept[0].level == "started" && kept[0].errorCode == "drill.unsound")
            #expect(kept[0].checks.filter { !$0.passed }.map(\.name) == [good])
            let shown = try protected.ask(["drill", "show", drill.id], as: Drill.self)
            #expect(shown.id == drill.id)
            let xml = String(decoding: try FileSystem.readFile(report), as: UTF8.self)
            #expect(xml.contains("name=\"verify\"") && xml.contains("failures=\"1\""))
            #expect(xml.contains("<failure message=") && xml.contains("orders"))
            let jobs = try jobs(protected)
            #expect(jobs.map(\.state).map { $0.prefix(9) } == ["failed", "completed"])
            #expect(jobs.map(\.id) == kept.map(\.id) && jobs.last?.percent == 100)
            let point = try #require(
                try protected.ask(["backup", "list", "main"], as: Proven.self).points.first
            )
            #expect(point.provenLevel == "checked" && point.lastDrill == drill.id)
            let instance = try status(protected)
            #expect(instance.provenLevel == "checked" && instance.provenAt != nil)
        }
    }

    @Test func `row 74: one damaged pack fails a drill with 6, and the receipt says so`() throws {
        try ProtectedServer.with(.newest()) { protected in
            let place = try place(protected)
            try protected.catchUp()
            let objects = VaultObjects(vault: protected.vault)
            let packs = try objects.names().filter { $0.contains("/pack/") }
            let pack = try #require(try packs.max { try objects.size($0) < objects.size($1) })
            let middle = try objects.size(pack) / 2
            try objects.with(.flipped(middle), of: pack) {
                let failed = try protected.pgkeep(arguments(protected) + ["--json"])
                #expect(failed.exitCode == 6, "\(failed.errors)")
            }
            let receipt = try #require(try drills(protected).last)
            #expect(receipt.outcome == "unsound" && receipt.errorCode == "vault.integrity")
            #expect(receipt.level == nil && receipt.point == protected.firstPoint.id)
            try expectNothingLeft(place)
            let point = try #require(
                try protected.ask(["backup", "list", "main"], as: Proven.self).points.first
            )
            #expect(point.provenAt == nil && point.unsoundAt != nil)
            #expect(try status(protected).state == "degraded")
            #expect(try jobs(protected).last?.errorCode == "vault.integrity")

            // Whole again, any moment of the window will do; that settles it.
            let random = try protected.ask(
                arguments(protected) + ["--random", "--no-amcheck"],
                as: Drill.self
            )
            #expect(random.outcome == "sound" && random.target.random)
            #expect(random.level == "started")
            let window = try protected.window()
            let moment = try #require(random.requestedTime)
            #expect(
                window.intervals.contains {
                    $0.earliest <= moment && moment <= max($0.latest, $0.streamedUntil ?? moment)
                }
            )
            #expect(try status(protected).provenLevel == "started")
        }
    }

    @Test func `a drill that is killed or interrupted leaves no server and no files`() throws {
        try ProtectedServer.with(.newest()) { protected in
            let place = try place(protected)
            for isKilled in [true, false] {
                let drill = try protected.startPgkeep(
                    arguments(protected) + ["--no-amcheck", "--keep", "1h"]
                )
                var id = ""
                try waitUntil("the copy is kept", seconds: 120) {
                    if let result = drill.result {
                        throw PgkeepError(.unexpected, "the drill ended: \(result.errors)")
                    }
                    let running = try jobs(protected).last { $0.state == "running" }
                    id = running?.id ?? ""
                    return running?.phases.last?.name == "keep"
                }
                let name = try #require(try FileSystem.list(place)?.first)
                let data = "\(place)/\(name)/data"
                #expect(!DirectoryProcesses.find(in: data, programs: ["postgres"]).isEmpty)
                // Only its owner gets there, and no network does.
                #expect(try FileSystem.info("\(place)/\(name)")?.mode == 0o700)
                let asked = try CommandRunner.asServer.check(
                    protected.server.installation.program("psql"),
                    [
                        "-XAtq", "-h", "\(place)/\(name)", "-p", "5432", "-U", "postgres", "-c",
                        "select current_setting('listen_addresses')",
                    ]
                )
                #expect(asked.isEmpty)
                if isKilled {
                    drill.kill()
                } else {
                    // The copy was judged before: what is ended is only its stay.
                    #expect(drill.interrupt(seconds: 120).exitCode == 0)
                }
                try waitUntil("nothing is left", seconds: 120) {
                    try FileSystem.list(place) == []
                        && DirectoryProcesses.find(in: data, programs: ["postgres"]).isEmpty
                }
                let job = try #require(try jobs(protected).first { $0.id == id })
                #expect(job.state.hasPrefix(isKilled ? "failed" : "completed"))
                #expect(job.retryable == isKilled)
                #expect(try drills(protected).last?.outcome == "sound")
            }
        }
    }

    @Test func `due drills are made once, by one of two hosts, quietly`() throws {
        try ProtectedServer.with(.newest()) { protected in
            let place = try place(protected)
            let words = try arguments(protected, "run-due") + ["--no-amcheck"]
            // No policy asks for any.
            let none = try protected.pgkeep(words)
            #expect(none.exitCode == 0 && none.errors.isEmpty && none.output.isEmpty)
            #expect(try drills(protected).isEmpty)
            try protected.succeed(["policy", "create", "proof", "--drill-days", "1"])
            try protected.succeed(["instance", "change-policy", "main", "--policy", "proof"])
            let hosts = try (0..<2).map { host in
                let home = try protected.scratch.serverDirectory("host-\(host)")
                return try protected.startPgkeep(words, ["HOME": home])
            }
            let results = hosts.map { $0.wait() }
            #expect(results.allSatisfy { $0.exitCode == 0 }, "\(results.map(\.errors))")
            #expect(try drills(protected).map(\.outcome) == ["sound"])
            #expect(try drills(protected).map(\.trigger) == ["scheduled"])
            #expect(try jobs(protected).map(\.trigger) == ["scheduled"])
            let again = try protected.pgkeep(words)
            #expect(again.exitCode == 0 && again.errors.isEmpty && again.output.isEmpty)
            #expect(try drills(protected).count == 1)
            try expectNothingLeft(place)
        }
    }
}
