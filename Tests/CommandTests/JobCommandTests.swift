import TestSupport
import Testing

/// Jobs and the activity log on the command line, without a server.
struct JobCommandTests {
    private struct Jobs: Decodable {
        struct Job: Decodable {
            var id: String
            var kind: String
            var state: String
            var percent: Double
        }
        var jobs: [Job]
    }

    private func environment(_ program: CommandLineFixture) throws -> [String: String] {
        let vault = try program.vault()
        return ["PGKEEP_VAULT": vault.path, "PGKEEP_KEY_FILE": vault.key]
    }

    @Test func `row 75: what is hidden elsewhere is listed here, with every key`() throws {
        try CommandLineFixture.with { program in
            let environment = try environment(program)
            #expect(try program.run("vault", "check", environment: environment).exitCode == 0)
            let list = try program.run("job", "list", "--json", environment: environment)
            let job = try #require(try list.document(Jobs.self).jobs.first)
            #expect(job.kind == "check" && job.state == "completed" && job.percent == 100)
            let keys = [
                "id", "kind", "instance", "trigger", "state", "phases", "percent", "done_bytes",
                "total_bytes", "rate", "eta_seconds", "queued_at", "started_at", "ended_at",
                "holder", "host", "point", "error_code", "message", "retryable", "skip_reason",
                "warnings", "log_tail",
            ]
            let show = try program.run("job", "show", job.id, "--json", environment: environment)
            for document in [list.output, show.output] {
                for key in keys { #expect(document.contains("\"\(key)\""), "no \(key)") }
            }
            let words = try program.run("job", "show", job.id, environment: environment)
            #expect(words.errors.contains("completed") && words.errors.contains("PHASE"))
            let watched = try program.run("job", "watch", job.id, environment: environment)
            #expect(watched.exitCode == 0 && watched.errors.contains("100.0 %"))
            let cancel = try program.run("job", "cancel", job.id, environment: environment)
            #expect(cancel.exitCode == 3 && cancel.errors.contains("has ended already"))
        }
    }

    @Test func `wrong usage is told apart from what is not there`() throws {
        try CommandLineFixture.with { program in
            let environment = try environment(program)
            for (words, exit) in [
                (["job", "show", "0197"], 4), (["job", "cancel", "0197"], 4),
                (["job", "list", "--status", "done"], 64),
                (["job", "list", "--kind", "backups"], 64),
                (["job", "list", "--all", "--since", "7d"], 64),
                (["activity", "list", "--since", "soon"], 64),
                (["activity", "verify", "--known", "12"], 64),
            ] {
                let result = try program.runner.with(environment).pgkeep(words)
                #expect(result.exitCode == exit, "\(words): \(result.errors)")
                #expect(result.errorLines.last?.hasPrefix("  → ") == true)
            }
        }
    }

    @Test func `the log of a fresh vault is empty and whole`() throws {
        try CommandLineFixture.with { program in
            let environment = try environment(program)
            let list = try program.run("activity", "list", environment: environment)
            #expect(list.exitCode == 0 && list.errors == "Nothing was done in that time.\n")
            let verify = try program.run("activity", "verify", environment: environment)
            #expect(verify.exitCode == 0)
            let head = "0:" + String(repeating: "0", count: 64)
            #expect(verify.errorLines.last.map(String.init) == head)
            let again = ["activity", "verify", "--known", "1" + head.dropFirst()]
            #expect(try program.runner.with(environment).pgkeep(again).exitCode == 6)
        }
    }
}
