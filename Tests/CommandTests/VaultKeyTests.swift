import Platform
import TestSupport
import Testing

struct VaultKeyTests {
    struct List: Decodable {
        struct Slot: Decodable, Equatable {
            var slot: Int
            var kind: String?
            var epoch: Int
            var created: String?
            var usable: Bool
            var in_use: Bool
        }
        var vault: String
        var epoch: Int
        var slots: [Slot]
    }
    struct Added: Decodable {
        var slot: Int
        var kind: String
        var key_file: String?
    }
    struct Rotated: Decodable, Equatable {
        var epoch: Int
        var kept: [Int]
        var dropped: [Int]
    }

    /// A vault, and pgkeep run on it with one key or another.
    private struct Scene {
        let program: CommandLineFixture
        let vault: String
        let key: String

        func run(_ words: [String], key: String? = nil, _ variables: [String: String] = [:]) throws
            -> CommandResult
        {
            var words = ["--vault", vault] + words
            if variables["PGKEEP_PASSPHRASE"] == nil { words += ["--key-file", key ?? self.key] }
            return try program.runner.with(variables).pgkeep(words)
        }

        func list(key: String? = nil, _ variables: [String: String] = [:]) throws -> List {
            let result = try run(["vault", "key", "list", "--json"], key: key, variables)
            guard result.succeeded else { throw UnexpectedExit(result: result) }
            return try result.document(List.self)
        }

        func failure(_ result: CommandResult) throws -> FailureDocument.Content {
            try result.document(FailureDocument.self).error
        }
    }

    private func withScene(_ body: (Scene) throws -> Void) throws {
        try CommandLineFixture.with { program in
            let (vault, key) = try program.vault()
            try body(Scene(program: program, vault: vault, key: key))
        }
    }

    @Test func `a new key file opens the vault, is its owner's alone and overwrites nothing`()
        throws
    {
        try withScene { scene in
            let file = scene.program.scratch.file("recovery/new.key")
            let result = try scene.run(
                ["vault", "key", "add", "--new-key-file", file, "--json"]
            )
            let added = try result.document(Added.self)
            #expect(added.slot == 1 && added.kind == "key-file" && added.key_file == file)
            #expect(try FileSystem.info(file)?.mode == 0o600)
            let list = try scene.list(key: file)
            #expect(list.slots.map(\.slot) == [0, 1])
            #expect(list.slots.map(\.in_use) == [false, true])
            #expect(list.slots.allSatisfy { $0.usable && $0.created != nil })
            let content = try FileSystem.readFile(file)
            for taken in [file, scene.key] {
                let again = try scene.run(["vault", "key", "add", "--new-key-file", taken])
                #expect(again.exitCode == 3)
            }
            #expect(try FileSystem.readFile(file) == content)
            #expect(try scene.list().slots.count == 2)
        }
    }

    @Test func `a new key is refused inside the vault`() throws {
        try withScene { scene in
            let inside = scene.vault + "/new.key"
            let result = try scene.run(["vault", "key", "add", "--new-key-file", inside])
            #expect(result.exitCode == 3)
            #expect(try FileSystem.info(inside) == nil)
            #expect(try scene.list().slots.count == 1)
        }
    }

    @Test func `a passphrase is added from each of its variables, and never shown`() throws {
        try withScene { scene in
            let file = try scene.program.write("second secret\n", to: "pass")
            try FileSystem.setMode(file, 0o600)
            let ways = [
                ("PGKEEP_NEW_PASSPHRASE", "first secret", "first secret"),
                ("PGKEEP_NEW_PASSPHRASE_FILE", file, "second secret"),
                ("PGKEEP_NEW_PASSPHRASE_COMMAND", "echo third secret", "third secret"),
            ]
            for (number, (variable, value, secret)) in ways.enumerated() {
                let result = try scene.run(
                    ["vault", "key", "add", "--json"],
                    [variable: value]
                )
                #expect(try result.document(Added.self).slot == number + 1)
                #expect(!result.output.contains("secret") && !result.errors.contains("secret"))
                let list = try scene.list(["PGKEEP_PASSPHRASE": secret])
                #expect(list.slots.last == list.slots.first { $0.in_use })
                #expect(list.slots.last?.kind == "passphrase")
            }
        }
    }

    @Test func `no new key and two new keys are wrong usage`() throws {
        try withScene { scene in
            let file = scene.program.scratch.file("new.key")
            let none = try scene.run(["vault", "key", "add", "--json"])
            #expect(none.exitCode == 64)
            #expect(try scene.failure(none).hint.contains("--new-key-file"))
            let two = try scene.run(
                ["vault", "key", "add", "--new-key-file", file],
                ["PGKEEP_NEW_PASSPHRASE": "secret"]
            )
            #expect(two.exitCode == 64)
            #expect(try FileSystem.info(file) == nil)
        }
    }

    @Test func `a removed key is refused, the last one stays`() throws {
        try withScene { scene in
            let file = scene.program.scratch.file("new.key")
            let last = try scene.run(["vault", "key", "remove", "0"])
            #expect(last.exitCode == 3 && last.errors.contains("last key slot"))
            _ = try scene.run(["vault", "key", "add", "--new-key-file", file])
            #expect(try scene.run(["vault", "key", "remove", "0"]).exitCode == 3)
            #expect(try scene.run(["vault", "key", "remove", "7"]).exitCode == 4)
            #expect(try scene.run(["vault", "key", "remove", "0"], key: file).exitCode == 0)
            let refused = try scene.run(["vault", "key", "list", "--json"])
            #expect(refused.exitCode == 6)
            #expect(try scene.failure(refused).code == "vault.wrong-key")
            #expect(try scene.list(key: file).slots.map(\.slot) == [1])
        }
    }

    @Test func `a rotation keeps the keys at hand and drops others only when asked`() throws {
        try withScene { scene in
            let (kept, other) = (
                scene.program.scratch.file("kept.key"), scene.program.scratch.file("other.key")
            )
            let secret = ["PGKEEP_NEW_PASSPHRASE": "kept secret"]
            for file in [kept, other] {
                _ = try scene.run(["vault", "key", "add", "--new-key-file", file])
            }
            _ = try scene.run(["vault", "key", "add"], secret)
            let rotate = ["vault", "key", "rotate", "--keep-key-file", kept, "--json"]
            let keep = ["PGKEEP_KEEP_PASSPHRASE": "kept secret"]
            let refused = try scene.run(rotate, keep)
            #expect(refused.exitCode == 3)
            let reason = try scene.failure(refused)
            #expect(reason.message.hasSuffix(": 2") && reason.hint.contains("--drop-other-slots"))
            #expect(try scene.list().epoch == 1)
            let done = try scene.run(rotate + ["--drop-other-slots"], keep)
            #expect(
                try done.document(Rotated.self)
                    == Rotated(epoch: 2, kept: [0, 1, 3], dropped: [2])
            )
            #expect(try scene.run(["instance", "list"], key: other).exitCode == 6)
            #expect(try scene.list(key: kept).epoch == 2)
            let list = try scene.list(["PGKEEP_PASSPHRASE": "kept secret"])
            #expect(list.slots.map(\.slot) == [0, 1, 3] && list.slots.allSatisfy(\.usable))
            #expect(try scene.run(["vault", "check"]).exitCode == 0)
        }
    }
}
