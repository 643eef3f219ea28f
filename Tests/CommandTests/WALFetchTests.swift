import Platform
import TestSupport
import Testing

/// `wal fetch` decides whether a recovering server promotes: 1 means the archive certainly ends,
/// and nothing else may look like it.
struct WALFetchTests {
    static let segment = "000000010000000000000001"

    @Test func `a line that is wrong or leads nowhere exits 200 or more`() throws {
        try CommandLineFixture.with { program in
            let (vault, key) = try program.vault("one")
            let (_, otherKey) = try program.vault("two")
            let out = program.scratch.file("out")
            let fetch = ["wal", "fetch", "--system-id", "7", Self.segment, out]
            let named = ["--vault", vault, "--key-file", key]
            let cases: [(words: [String], exit: Int32)] = [
                (["wal", "fetch"], 255),
                (["wal", "fetch", "--bogus"], 255),
                (fetch, 255),
                (["--vault", vault] + fetch, 255),
                (["--vault", program.scratch.file("missing"), "--key-file", key] + fetch, 204),
                (["--vault", vault, "--key-file", otherKey] + fetch, 206),
                (["--vault", vault, "--key-file", key + ".missing"] + fetch, 204),
                (["--vault", vault, "--wal-key", key] + fetch, 206),
                (["--vault", vault, "--wal-key", key + ".missing"] + fetch, 204),
                (named + ["wal", "fetch", "main", Self.segment, out], 204),
                (named + ["wal", "fetch", "--system-id", "x", Self.segment, out], 255),
                (["wal", "fetch", Self.segment, out] + named, 255),
                (["wal", "fetch", "--wal-key", key] + named[...1] + fetch[2...], 206),
            ]
            for (words, exit) in cases {
                let result = try program.runner.pgkeep(words)
                #expect(
                    result.exitCode == exit,
                    "\(words.joined(separator: " ")): \(result.errors)"
                )
                #expect(result.errorLines.count == 2)
                #expect(try FileSystem.info(out) == nil)
            }
        }
    }

    @Test func `fetching does not wait for libpq and what it brings along to be loaded`() throws {
        try CommandLineFixture.with { program in
            let (vault, key) = try program.vault()
            let loading = ["LD_DEBUG": "files"]
            let fetched = try program.run(
                "wal",
                "fetch",
                "--vault",
                vault,
                "--key-file",
                key,
                "--system-id",
                "7",
                Self.segment,
                program.scratch.file("out"),
                environment: loading
            )
            #expect(fetched.exitCode == 1)
            #expect(fetched.errors.contains("libcrypto"))
            #expect(!fetched.errors.contains("libpq"))
            let added = try program.run(
                "instance",
                "add",
                "main",
                "--source",
                "host=/nowhere",
                "--vault",
                vault,
                "--key-file",
                key,
                environment: loading
            )
            #expect(added.exitCode == 7)
            #expect(added.errors.contains("libpq"))
        }
    }

    @Test(arguments: [segment, "00000002.history", "archive_status", "00000001.histor"])
    func `what the vault certainly lacks exits 1 without a word`(_ file: String) throws {
        try CommandLineFixture.with { program in
            let (vault, key) = try program.vault()
            let out = program.scratch.file("out")
            let result = try program.run(
                "--vault",
                vault,
                "--key-file",
                key,
                "wal",
                "fetch",
                "--system-id",
                "7",
                file,
                out
            )
            #expect(result.exitCode == 1)
            #expect(result.errors.isEmpty)
            #expect(try FileSystem.info(out) == nil)
        }
    }

    @Test func `a vault that went away is doubt, not the end of the archive`() throws {
        try CommandLineFixture.with { program in
            let (vault, key) = try program.vault()
            try FileSystem.removeTree(vault + "/key")
            let words = ["--vault", vault, "--key-file", key, "wal", "fetch", "--system-id", "7"]
            let out = program.scratch.file("out")
            #expect(try program.runner.pgkeep(words + [Self.segment, out]).exitCode >= 200)
            try FileSystem.removeTree(vault)
            #expect(try program.runner.pgkeep(words + [Self.segment, out]).exitCode >= 200)
        }
    }
}
