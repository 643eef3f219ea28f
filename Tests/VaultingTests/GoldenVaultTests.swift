import Domain
import Platform
import Sealing
import Storage
import TestSupport
import Testing
import Vaulting

@Suite struct GoldenVaultTests {
    @Test func `the first vault ever made still opens, checks and restores`() throws {
        let (store, keySource, expected) = try GoldenVault.load()
        let before = store.names
        let vault = try Vault.open(store: store, keySource: keySource)
        #expect(try GoldenVault.describe(vault) == expected)
        let report = try VaultCheck(vault, level: .decode).run()
        #expect(report.damage == [], "\(report.damage)")
        #expect(report.objects == before.count)
        #expect(store.names == before)
    }

    /// With `PGKEEP_GOLDEN_OUT` naming a directory, it becomes a fixture; see `GoldenVault`.
    @Test func `the generator makes a vault of the same shape`() throws {
        let store = MemoryStore()
        let key = SecretBytes.random(count: 32)
        let vault = try GoldenVault.make(store, key: key)
        let lines = try GoldenVault.describe(vault)
        if let output = environmentValue("PGKEEP_GOLDEN_OUT") {
            return try write(store, key, lines, to: output)
        }
        let (_, _, expected) = try GoldenVault.load()
        // Ids differ from run to run, contents do not.
        func stable(_ lines: [String]) -> [String] { lines.filter { !$0.hasPrefix("point") } }
        #expect(stable(lines) == stable(expected))
    }

    private func write(
        _ store: MemoryStore,
        _ key: SecretBytes,
        _ lines: [String],
        to output: String
    ) throws {
        for name in store.names {
            let path = output + "/objects/" + name.text
            try FileSystem.makeDirectories(FileSystem.parent(of: path) ?? output)
            try FileSystem.writeAtomically(path, try store.get(name))
        }
        try KeyFile.write(key, to: output + "/key")
        try FileSystem.writeAtomically(
            output + "/expected",
            Array((lines.joined(separator: "\n") + "\n").utf8)
        )
    }
}
