import Platform
import TestSupport
import Testing

struct VaultInitTests {
    struct Document: Decodable {
        var vault: String
        var id: String
        var key_file: String?
    }

    @Test func `a new vault gets a key file that only its owner can read`() throws {
        try CommandLineFixture.with { program in
            let vault = program.scratch.file("backups")
            let result = try program.run("vault", "init", vault, "--json")
            #expect(result.exitCode == 0)
            let made = try result.document(Document.self)
            #expect(made.vault == vault)
            #expect(made.key_file == "\(program.configDirectory)/backups-\(made.id.prefix(8)).key")
            let key = try FileSystem.info(made.key_file ?? "")
            #expect(key?.mode == 0o600)
            #expect(try FileSystem.info(vault)?.mode == 0o700)
            #expect(try FileSystem.info(program.configDirectory)?.mode == 0o700)
        }
    }

    @Test func `people are told where the key is and what it means`() throws {
        try CommandLineFixture.with { program in
            let result = try program.run("vault", "init", program.scratch.file("v"))
            #expect(result.output.isEmpty)
            #expect(result.errors.contains("\(program.configDirectory)/v-"))
            #expect(result.errors.contains("Without this file the vault is lost"))
        }
    }

    @Test func `the key file is found again without being named`() throws {
        try CommandLineFixture.with { program in
            let vault = program.scratch.file("v")
            _ = try program.run("vault", "init", vault)
            let result = try program.run("--vault", vault, "instance", "list", "--json")
            #expect(result.exitCode == 0)
        }
    }

    @Test func `an existing vault is left as it is`() throws {
        try CommandLineFixture.with { program in
            let (vault, key) = try program.vault()
            let before = try FileSystem.readFile(vault + "/vault.json")
            let result = try program.run("vault", "init", vault, "--key-file", key)
            #expect(result.exitCode == 3)
            #expect(try FileSystem.readFile(vault + "/vault.json") == before)
            let other = program.scratch.file("other.key")
            #expect(try program.run("vault", "init", vault, "--key-file", other).exitCode == 3)
            #expect(try FileSystem.info(other) == nil, "a key that opens nothing was left")
        }
    }

    @Test func `a directory with something in it is refused`() throws {
        try CommandLineFixture.with { program in
            let directory = try program.scratch.directory("full")
            _ = try program.write("mine", to: "full/letter")
            let result = try program.run("vault", "init", directory)
            #expect(result.exitCode == 3)
            #expect(try FileSystem.list(directory) == ["letter"])
        }
    }

    @Test func `an existing key file is used for another vault`() throws {
        try CommandLineFixture.with { program in
            let (_, key) = try program.vault("one")
            let two = program.scratch.file("two")
            let result = try program.run("vault", "init", two, "--key-file", key, "--json")
            #expect(try result.document(Document.self).key_file == key)
            let list = try program.run("--vault", two, "--key-file", key, "instance", "list")
            #expect(list.exitCode == 0)
        }
    }

    @Test func `a key inside the vault is refused before anything is made`() throws {
        try CommandLineFixture.with { program in
            let vault = program.scratch.file("v")
            for key in [vault + "/k", vault + "/deep/er/k", program.scratch.path + "/./v/k"] {
                let result = try program.run("vault", "init", vault, "--key-file", key)
                #expect(result.exitCode == 3)
                #expect(try FileSystem.info(vault) == nil)
            }
        }
    }

    @Test func `without a home the key must be placed by hand`() throws {
        try CommandLineFixture.with { program in
            let vault = program.scratch.file("v")
            let result = try program.run("vault", "init", vault, environment: ["HOME": ""])
            #expect(result.exitCode == 64)
            #expect(result.errors.contains("--key-file"))
            #expect(try FileSystem.info(vault) == nil)
        }
    }

    @Test func `a passphrase leaves no key file`() throws {
        try CommandLineFixture.with { program in
            let vault = program.scratch.file("v")
            let secret = ["PGKEEP_PASSPHRASE": "correct horse"]
            let result = try program.run("vault", "init", vault, "--json", environment: secret)
            #expect(try result.document(Document.self).key_file == nil)
            #expect(result.output.contains("\"key_file\" : null"))
            #expect(try FileSystem.info(program.configDirectory) == nil)
            #expect(
                try program.run("--vault", vault, "instance", "list", environment: secret)
                    .exitCode == 0
            )
        }
    }

    @Test func `without a terminal a passphrase is not asked for`() throws {
        try CommandLineFixture.with { program in
            let vault = program.scratch.file("v")
            let result = try program.runner.run(
                "/usr/bin/setsid",
                [
                    "--wait", CommandRunner.pgkeepBinary.get(), "vault", "init", vault,
                    "--passphrase",
                ]
            )
            #expect(result.exitCode == 64)
            #expect(result.errors.contains("PGKEEP_PASSPHRASE"))
            #expect(try FileSystem.info(vault) == nil)
        }
    }

    @Test func `a passphrase is typed twice and never shown`() throws {
        try CommandLineFixture.with { program in
            let vault = program.scratch.file("v")
            let binary = try CommandRunner.pgkeepBinary.get()
            let screen = program.scratch.file("screen")
            // script(1) gives the program a terminal; an answer is typed once its prompt is shown,
            // since what comes before echo is turned off is thrown away.
            func type(_ first: String, _ second: String) throws -> CommandResult {
                try program.runner.run(
                    "/bin/sh",
                    [
                        "-c",
                        """
                        rm -f \(screen)
                        shows() { until grep -qs "$1" \(screen); do sleep 0.05; done; }
                        { shows 'of the vault'; echo '\(first)'; shows again; echo '\(second)'; } |
                        script -qefc '\(binary) vault init \(vault) --passphrase' \(screen)
                        """,
                    ],
                    seconds: 60
                )
            }
            let differing = try type("one secret", "two secret")
            #expect(differing.exitCode == 64)
            #expect(try FileSystem.info(vault) == nil)
            let result = try type("same secret", "same secret")
            #expect(result.exitCode == 0, "\(result.output)")
            #expect(!result.output.contains("secret"))
            let secret = ["PGKEEP_PASSPHRASE": "same secret"]
            #expect(
                try program.run("--vault", vault, "instance", "list", environment: secret)
                    .exitCode == 0
            )
        }
    }
}
