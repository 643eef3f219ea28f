import TestSupport
import Testing

struct HelpTests {
    /// Every verb there is.
    static let verbs = [
        "vault init", "vault check", "vault usage", "vault prune", "vault key list",
        "vault key add", "vault key remove", "vault key rotate", "instance add", "instance list",
        "backup delete", "policy create", "policy list", "policy show", "policy set",
        "policy delete",
        "policy limits", "instance change-policy", "hold add", "hold list", "hold release",
        "instance show", "backup create", "backup list", "backup show", "wal stream",
        "wal status", "wal fetch", "window show", "restore plan", "restore start", "job list",
        "drill run", "drill list", "drill show", "drill run-due",
        "job show", "job watch", "job cancel", "activity list", "activity verify",
        "vault forecast", "vault quota", "status", "doctor", "metrics", "errors explain",
        "errors list", "agent run",
    ]

    @Test(arguments: verbs)
    func `every verb explains itself with an example`(_ verb: String) throws {
        try CommandLineFixture.with { program in
            let result = try program.runner.pgkeep(
                verb.split(separator: " ").map(String.init) + ["--help"]
            )
            #expect(result.exitCode == 0)
            #expect(result.errors.isEmpty)
            #expect(result.output.hasPrefix("OVERVIEW: "))
            #expect(result.output.contains("USAGE: pgkeep \(verb)"))
            #expect(result.output.contains("\n  pgkeep \(verb)"), "no example")
            #expect(result.output.contains("--vault <path>"))
            #expect(!result.output.contains("--wal-key"), "an internal option is shown")
        }
    }

    @Test func `pgkeep alone prints the overview`() throws {
        try CommandLineFixture.with { program in
            let result = try program.run()
            #expect(result.exitCode == 0)
            for group in Set(Self.verbs.map { $0.prefix { $0 != " " } }) {
                #expect(result.output.contains("\n  \(group) "))
            }
        }
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func `completion scripts are made for every shell`(_ shell: String) throws {
        try CommandLineFixture.with { program in
            let result = try program.run("--generate-completion-script", shell)
            #expect(result.exitCode == 0)
            for word in ["restore", "usage", "until-caught-up"] {
                #expect(result.output.contains(word))
            }
        }
    }

    @Test func `the version is one line`() throws {
        try CommandLineFixture.with { program in
            let result = try program.run("--version")
            #expect(result.exitCode == 0)
            #expect(result.output.split(separator: "\n").count == 1)
            #expect(result.output.split(separator: ".").count == 3)
        }
    }
}
