import Platform
import TestSupport
import Testing

struct VaultSelectionTests {
    @Test func `without a vault all three ways to name one are told`() throws {
        try CommandLineFixture.with { program in
            let result = try program.run("instance", "list")
            #expect(result.exitCode == 64)
            for way in ["--vault", "PGKEEP_VAULT", "config.yaml"] {
                #expect(result.errors.contains(way))
            }
        }
    }

    @Test func `what is no vault is not found, with the command that makes one`() throws {
        try CommandLineFixture.with { program in
            let (_, key) = try program.vault()
            let empty = try program.scratch.directory("empty")
            let other = try program.scratch.directory("other")
            _ = try program.write("x", to: "other/file")
            for path in [program.scratch.file("missing"), empty, other] {
                let result = try program.run(
                    "instance",
                    "list",
                    "--vault",
                    path,
                    "--key-file",
                    key,
                    "--json"
                )
                #expect(result.exitCode == 4)
                #expect(try result.document(FailureDocument.self).error.code == "not-found")
                #expect(result.errors.contains("pgkeep vault init"))
            }
        }
    }

    @Test func `another key does not open the vault`() throws {
        try CommandLineFixture.with { program in
            let (vault, _) = try program.vault("one")
            let (_, key) = try program.vault("two")
            let result = try program.run("instance", "list", "--vault", vault, "--key-file", key)
            #expect(result.exitCode == 6)
            let secret = ["PGKEEP_PASSPHRASE": "guess"]
            let guess = try program.run("instance", "list", "--vault", vault, environment: secret)
            #expect(guess.exitCode == 6)
            #expect(!guess.errors.contains("guess"))
        }
    }

    @Test func `without a key all ways to name one are told`() throws {
        try CommandLineFixture.with { program in
            let (vault, _) = try program.vault()
            let result = try program.run("instance", "list", "--vault", vault)
            #expect(result.exitCode == 64)
            for way in ["--key-file", "PGKEEP_KEY_FILE", "PGKEEP_PASSPHRASE_COMMAND"] {
                #expect(result.errors.contains(way))
            }
        }
    }

    @Test func `a key file others can read is refused`() throws {
        try CommandLineFixture.with { program in
            let (vault, key) = try program.vault()
            try program.runner.check("/bin/chmod", ["644", key])
            let result = try program.run("instance", "list", "--vault", vault, "--key-file", key)
            #expect(result.exitCode == 3)
            #expect(result.errors.contains("chmod 600"))
        }
    }

    @Test func `a passphrase comes from variable, file or command`() throws {
        try CommandLineFixture.with { program in
            let vault = program.scratch.file("v")
            let file = try program.write("correct horse\nsecond line\n", to: "pass")
            let forms = [
                ["PGKEEP_PASSPHRASE": "correct horse"],
                ["PGKEEP_PASSPHRASE_FILE": file],
                ["PGKEEP_PASSPHRASE_COMMAND": "echo correct horse; echo noise >&2"],
            ]
            let made = try program.run("vault", "init", vault, environment: forms[0])
            #expect(made.exitCode == 0)
            for form in forms {
                let result = try program.run(
                    "instance",
                    "list",
                    "--vault",
                    vault,
                    environment: form
                )
                #expect(result.exitCode == 0, "\(form.keys): \(result.errors)")
                #expect(!(result.errors + result.output).contains("correct horse"))
            }
            let both = forms[0].merging(forms[1]) { $1 }
            let result = try program.run("instance", "list", "--vault", vault, environment: both)
            #expect(result.exitCode == 64)
            let failing = ["PGKEEP_PASSPHRASE_COMMAND": "echo correct horse; exit 3"]
            let failed = try program.run("instance", "list", "--vault", vault, environment: failing)
            #expect(failed.exitCode == 4)
            try program.runner.check("/bin/chmod", ["644", file])
            let open = try program.run("instance", "list", "--vault", vault, environment: forms[1])
            #expect(open.exitCode == 3)
        }
    }

    @Test func `an option beats a variable, a variable the config file`() throws {
        try CommandLineFixture.with { program in
            let (one, oneKey) = try program.vault("one")
            let (two, twoKey) = try program.vault("two")
            try program.writeConfig("vault: \(one)\nkey_file: \(oneKey)\n")
            #expect(try program.run("instance", "list").exitCode == 0)
            let variables = ["PGKEEP_VAULT": two, "PGKEEP_KEY_FILE": twoKey]
            #expect(try program.run("instance", "list", environment: variables).exitCode == 0)
            // Each source alone would fail: vault and key come from different places.
            let vaultOnly = ["PGKEEP_VAULT": two]
            #expect(try program.run("instance", "list", environment: vaultOnly).exitCode == 6)
            let mixed = try program.run(
                "instance",
                "list",
                "--key-file",
                twoKey,
                environment: vaultOnly
            )
            #expect(mixed.exitCode == 0)
            let option = try program.run(
                "instance",
                "list",
                "--vault",
                one,
                "--key-file",
                oneKey,
                environment: variables
            )
            #expect(option.exitCode == 0)
        }
    }

    @Test func `the config file may be named, with paths beside it`() throws {
        try CommandLineFixture.with { program in
            _ = try program.vault("one")
            let file = try program.write(
                "vault: one\nkey_file: one.key # both here\n",
                to: "my.yaml"
            )
            #expect(try program.run("instance", "list", "--config", file).exitCode == 0)
            let named = ["PGKEEP_CONFIG": file]
            #expect(try program.run("instance", "list", environment: named).exitCode == 0)
        }
    }

    @Test(arguments: [
        ["instance", "list"], ["vault", "check"], ["restore", "plan", "main"],
        ["restore", "start", "main", "--to-dir", "/nonexistent/copy"],
    ])
    func `a config file that is named must be there, needed or not`(_ verb: [String]) throws {
        try CommandLineFixture.with { program in
            let (vault, key) = try program.vault()
            let all = verb + ["--vault", vault, "--key-file", key]
            let missing = program.scratch.file("missing.yaml")
            let option = try program.run(all + ["--config", missing])
            let variable = try program.run(all, environment: ["PGKEEP_CONFIG": missing])
            for result in [option, variable] {
                #expect(result.exitCode == 4)
                #expect(result.errors.contains("config file \(missing) is not there"))
                #expect(result.errors.contains("correct --config or PGKEEP_CONFIG"))
            }
        }
    }

    @Test func `the restore_command of a copy depends on no config file`() throws {
        try CommandLineFixture.with { program in
            let (vault, _) = try program.vault()
            let missing = program.scratch.file("missing")
            let result = try program.run(
                [
                    "wal", "fetch", "--vault", vault, "--wal-key", missing, "--system-id", "1",
                    "000000010000000000000001", program.scratch.file("segment"),
                ],
                environment: ["PGKEEP_CONFIG": missing]
            )
            #expect(result.exitCode >= 200)
            #expect(!result.errors.contains("config") && result.errors.contains(missing))
        }
    }

    @Test(arguments: [
        ("vault: /v\nretention: 3\n", "line 2"), ("vault: /v\nvault: /w\n", "vault"),
        ("vault: [a, b]\n", "line 1"), ("vault:\n", "line 1"), ("- vault\n", "line 1"),
        ("vault: \"/v\nkey_file: /k\n", "line"), ("key_file: /k\npassphrase_file: /p\n", "both"),
    ])
    func `a wrong config file is refused, naming the line`(_ text: String, _ place: String) throws {
        try CommandLineFixture.with { program in
            try program.writeConfig(text)
            let result = try program.run("instance", "list")
            #expect(result.exitCode == 64)
            #expect(result.errors.contains("config.yaml"))
            #expect(result.errors.contains(place))
        }
    }

    @Test func `an empty config file says nothing`() throws {
        try CommandLineFixture.with { program in
            try program.writeConfig("# nothing yet\n")
            let result = try program.run("instance", "list")
            #expect(result.errors.contains("no vault is named"))
        }
    }
}
