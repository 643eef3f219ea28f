import Domain
import Glibc
import Platform
import TestSupport
import Testing

/// How an agent begins and ends where no server is needed.
@Suite struct AgentCommandTests {
    @Test func `what makes a start pointless ends it at once, with its exit code`() throws {
        try AgentFixture.with { fixture in
            typealias Result = CommandResult
            func end(_ words: String..., environment: [String: String] = [:]) throws -> Result {
                try fixture.runner.with(environment).pgkeep(["agent", "run"] + words)
            }
            let missing = try end(environment: ["PGKEEP_VAULT": fixture.scratch.file("nowhere")])
            #expect(missing.exitCode == ExitStatus.notFound.rawValue)
            #expect(missing.errors.contains("there is no vault"))

            let other = fixture.scratch.file("other")
            try fixture.pgkeep("vault", "init", other, "--key-file", other + ".key")
            let wrong = try end(environment: ["PGKEEP_KEY_FILE": other + ".key"])
            #expect(wrong.exitCode == ExitStatus.integrity.rawValue)

            let unknown = try end("nobody")
            #expect(unknown.exitCode == ExitStatus.notFound.rawValue)
            #expect(unknown.errors.contains("there is no instance \"nobody\""))

            for words in [
                ["--prune-at", "25:00"], ["--stop-timeout", "soon"], ["--heartbeat", "0"],
                ["--child-memory-limit", "1MiB"], ["--check-budget", "much"],
                ["--log-level", "loud"], ["--log-format", "xml"],
            ] {
                let result = try fixture.runner.pgkeep(["agent", "run"] + words)
                #expect(result.exitCode == ExitStatus.usage.rawValue, "\(words)")
            }
        }
    }

    @Test func `a vault out of reach is waited for from the start`() throws {
        try AgentFixture.with { fixture in
            let away = fixture.scratch.file("away")
            try FileSystem.rename(fixture.vault, to: away)
            // A link to itself: nothing can be read there.
            #expect(symlink(fixture.vault, fixture.vault) == 0)
            let agent = try fixture.agent()
            try agent.waitFor("the vault is out of reach")
            #expect(unlink(fixture.vault) == 0)
            try FileSystem.rename(away, to: fixture.vault)
            try agent.waitFor("the vault is back")
            try agent.end()
        }
    }

    @Test func `the config file says the same as options, and is read anew`() throws {
        try AgentFixture.with { fixture in
            let directory = fixture.scratch.file("home") + "/.config/pgkeep"
            try FileSystem.makeDirectories(directory)
            let path = directory + "/config.yaml"
            func write(_ text: String) throws {
                try FileSystem.writeAtomically(path, Array(text.utf8))
            }
            try write("agent:\n  prune_at: never\n  log_format: text\n")
            let agent = try fixture.agent()
            try agent.command.waitForOutput(" agent begins")
            try write("agent:\n  prune_at: tomorrow\n")
            agent.command.signal(SIGHUP)
            try agent.command.waitForOutput("the settings stay as they were")
            try write("agent:\n  prune_at: \"02:00\"\n")
            agent.command.signal(SIGHUP)
            try agent.command.waitForOutput("settings were read anew")
            #expect(agent.command.terminate().exitCode == 0)

            try write("agent:\n  prune: never\n")
            let wrong = try fixture.runner.pgkeep(["agent", "run"])
            #expect(wrong.exitCode == ExitStatus.usage.rawValue)
            #expect(wrong.errors.contains("unknown key \"prune\""))
        }
    }
}
