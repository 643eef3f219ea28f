import Platform
import TestSupport
import Testing

struct UsageTests {
    static let wrongLines = [
        "--bogus", "vault bogus", "vault init --bogus", "instance add", "instance add main",
        "instance show", "instance show Main", "instance show a b", "instance stop main",
        "instance stop main --retain some", "instance lock main --level x",
        "instance stop main --retain forever --reason boredom",
        "instance delete main --plan --token x",
        "backup create main --workers x",
        "backup create main --workers 0", "backup create main --max-rate 1",
        "backup create main --evacuate-below 81", "wal stream",
        "vault check --level everything", "restore start main",
        "restore plan main --time yesterday", "restore plan main --lsn 12",
        "restore plan main --xid 1", "restore plan main --latest --lsn 0/1",
        "restore plan main --name x --exclusive", "restore plan main --timeline 0",
        "restore start main --to-dir /tmp/x --tablespace x",
        "restore start main --to-dir /tmp/x --set =1",
        "restore start main --to-dir /tmp/x --port 70000", "vault init --quiet --verbose",
        "vault init /tmp/x --no-encrypt", "vault usage --price -1", "vault usage --price nan",
        "vault forecast --retention 0", "vault forecast --copies 0",
        "vault forecast --size 1GiB", "vault forecast --size 1GiB --per-day soon",
        "vault quota main much", "vault quota main 0%", "wal stream main --heartbeat 0",
        "wal stream main --heartbeat 5 --until-caught-up", "doctor --instance Main",
        "errors explain",
    ]

    @Test(arguments: wrongLines)
    func `a wrong line exits 64 and says what to do`(_ line: String) throws {
        try CommandLineFixture.with { program in
            let (vault, key) = try program.vault()
            let words = line.split(separator: " ").map(String.init)
            let named = ["PGKEEP_VAULT": vault, "PGKEEP_KEY_FILE": key]
            let result = try program.runner.with(named).pgkeep(words)
            #expect(result.exitCode == 64)
            #expect(result.output.isEmpty)
            #expect(result.errorLines.count == 2)
            #expect(result.errorLines.first?.hasPrefix("pgkeep: ") == true)
            #expect(result.errorLines.last?.hasPrefix("  → ") == true)
        }
    }

    @Test(arguments: [
        ("instance ad main", "\"pgkeep instance ad\"", "did you mean \"pgkeep instance add\"?"),
        ("bakup create main", "\"pgkeep bakup\"", "did you mean \"pgkeep backup\"?"),
        ("wal steram main", "\"pgkeep wal steram\"", "did you mean \"pgkeep wal stream\"?"),
        ("restore everything", "\"pgkeep restore everything\"", "it knows plan, start"),
    ])
    func `a mistyped command is named, with the nearest or all there are`(
        _ line: String,
        _ message: String,
        _ hint: String
    ) throws {
        try CommandLineFixture.with { program in
            let result = try program.run(line.split(separator: " ").map(String.init))
            #expect(result.exitCode == 64)
            #expect(result.errorLines.first == "pgkeep: there is no command \(message)")
            #expect(result.errorLines.last?.contains(hint) == true, "\(result.errors)")
        }
    }

    @Test func `with --json a failure is one document too`() throws {
        try CommandLineFixture.with { program in
            for words in [["instance", "list", "--json"], ["--json", "vault", "init", "--bogus"]] {
                let result = try program.runner.pgkeep(words)
                #expect(result.exitCode == 64)
                let failure = try result.document(FailureDocument.self).error
                #expect(failure.code == "usage")
                #expect(result.errors == "pgkeep: \(failure.message)\n  → \(failure.hint)\n")
            }
        }
    }

    @Test func `options stand before and after the verb`() throws {
        try CommandLineFixture.with { program in
            let (vault, key) = try program.vault()
            let options = ["--vault", vault, "--key-file", key, "--json"]
            for words in [
                options + ["instance", "list"], ["instance"] + options + ["list"],
                ["instance", "list"] + options,
            ] {
                let result = try program.runner.pgkeep(words)
                #expect(result.exitCode == 0)
                #expect(result.output.contains("\"instances\""))
            }
        }
    }

    @Test func `a password on a wrong line is not repeated`() throws {
        try CommandLineFixture.with { program in
            for source in [
                "postgresql://u:hunter2@h/db", "host=h password=hunter2",
                "host=h password = 'hunter2 and more'",
            ] {
                let result = try program.run("instance", "add", "main", source, "--json")
                #expect(result.exitCode == 64)
                #expect(!(result.errors + result.output).contains("hunter2"))
                #expect(!(result.errors + result.output).contains("and more"))
            }
        }
    }

    @Test func `quiet says nothing but errors`() throws {
        try CommandLineFixture.with { program in
            let vault = program.scratch.file("v")
            let made = try program.run("vault", "init", vault, "-q")
            #expect(made.exitCode == 0)
            #expect(made.output.isEmpty && made.errors.isEmpty)
            let again = try program.run("vault", "init", vault, "-q")
            #expect(again.exitCode == 3)
            #expect(again.errorLines.count == 2)
        }
    }
}
