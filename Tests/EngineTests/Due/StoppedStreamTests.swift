import Domain
import Platform
import TestSupport
import Testing

/// Fetching WAL from cron while there is no server to fetch from, and why jobs say they ran.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct StoppedStreamTests {
    private struct Job: Decodable {
        var kind: String
        var trigger: String
        var state: String
        var skipReason: String?
    }

    private struct JobList: Decodable { var jobs: [Job] }

    private func jobs(_ protected: ProtectedServer, _ kind: String) throws -> [Job] {
        try protected.ask(["job", "list", "--kind", kind], as: JobList.self).jobs
    }

    private let fetch = ["wal", "stream", "main", "--until-caught-up"]
    private let cron = ["PGKEEP_TRIGGER": "scheduled"]

    @Test func `a stopped server is skipped once and quietly, one out of reach is exit 7`() throws {
        try ProtectedServer.with(.newest()) { protected in
            try protected.server.psql("create table before_the_stop ()")
            #expect(try protected.pgkeep(fetch, cron).exitCode == 0)
            for stop in 1...2 {
                try protected.server.stop()
                for _ in 0..<3 {
                    let result = try protected.pgkeep(fetch, cron)
                    #expect(result.exitCode == 0 && result.errors.isEmpty, "\(result.errors)")
                }
                let skipped = try jobs(protected, "stream").filter { $0.state == "skipped" }
                #expect(skipped.count == stop)
                #expect(
                    skipped.allSatisfy {
                        $0.skipReason == "server-stopped" && $0.trigger == "scheduled"
                    }
                )
                try protected.server.start()
                #expect(try protected.pgkeep(fetch, cron).exitCode == 0)
            }
            #expect(try jobs(protected, "stream").allSatisfy { $0.state != "failed" })
            // A name nobody knows says nothing about the server.
            let services = protected.scratch.file("operator/services")
            let known = try FileSystem.readFile(services)
            try FileSystem.writeAtomically(
                services,
                Array("[main]\nhost=no-such-host.invalid\nuser=postgres\n".utf8)
            )
            try ServerUser.own(services)
            let lost = try protected.pgkeep(fetch, cron)
            #expect(lost.exitCode == 7 && lost.errors.contains("cannot connect"))
            try FileSystem.writeAtomically(services, known)
            try ServerUser.own(services)
            // Stopped protection is no failure either; a stream that is to stay is refused.
            try protected.succeed(["instance", "stop", "main", "--retain", "forever", "--yes"])
            let ended = try protected.pgkeep(fetch, cron)
            #expect(ended.exitCode == 0 && ended.errors.isEmpty, "\(ended.errors)")
            #expect(try protected.pgkeep(["wal", "stream", "main"]).exitCode == 3)
        }
    }

    @Test func `jobs say whether people, cron or the agent had them run`() throws {
        try ProtectedServer.with(.newest()) { protected in
            try protected.succeed(["vault", "prune"])
            for trigger in ["scheduled", "agent"] {
                let variables = ["PGKEEP_TRIGGER": trigger]
                #expect(try protected.pgkeep(["vault", "prune"], variables).exitCode == 0)
            }
            #expect(
                try jobs(protected, "prune").map(\.trigger) == ["manual", "scheduled", "agent"]
            )
            let wrong = try protected.pgkeep(["vault", "prune"], ["PGKEEP_TRIGGER": "luck"])
            #expect(wrong.exitCode == 64 && wrong.errors.contains("PGKEEP_TRIGGER"))
            #expect(try jobs(protected, "prune").count == 3)
            #expect(try jobs(protected, "backup").map(\.trigger) == ["initial"])
        }
    }
}
