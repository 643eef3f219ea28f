import Domain
import Sealing
import Storage
import TestSupport
import Testing
import Vaulting

@Suite struct VaultTests {
    private let cheap = ScryptCost(n: 1024, r: 8, p: 1)

    private func code(_ body: () throws -> Void) -> ErrorCode? {
        do {
            try body()
            return nil
        } catch {
            return (error as? PgkeepError)?.code
        }
    }

    @Test func `a vault opens with what it was made with and nothing else`() throws {
        let store = MemoryStore()
        let cost = try #require(cheap)
        let passphrase = KeySource.passphrase(SecretBytes(Array("open sesame".utf8)))
        let made = try Vault.create(store: store, keySource: passphrase, cost: cost)
        let opened = try Vault.open(store: store, keySource: passphrase)
        #expect(opened.id == made.id)
        #expect(opened.created == made.created)
        #expect(try opened.keys.fingerprintKey() == made.keys.fingerprintKey())
        let other = KeySource.passphrase(SecretBytes(Array("open barley".utf8)))
        #expect(code { _ = try Vault.open(store: store, keySource: other) } == .wrongKey)
        let file = SyntheticBackup.keySource()
        #expect(code { _ = try Vault.open(store: store, keySource: file) } == .wrongKey)
    }

    @Test func `no vault, a second init and a newer vault are refused with a way out`() throws {
        let store = MemoryStore()
        let key = SyntheticBackup.keySource()
        #expect(code { _ = try Vault.open(store: store, keySource: key) } == .notFound)
        _ = try Vault.create(store: store, keySource: key)
        let before = store.names
        #expect(code { _ = try Vault.create(store: store, keySource: key) } == .exists)
        #expect(store.names == before)
        let text = String(decoding: try store.get(VaultNames.vaultFile), as: UTF8.self)
        let newer = text.replacing("\"version\":1}", with: "\"surprise\":[],\"version\":2}")
        #expect(newer != text)
        store.overwrite(VaultNames.vaultFile, with: Array(newer.utf8))
        let error = #expect(throws: PgkeepError.self) {
            _ = try Vault.open(store: store, keySource: key)
        }
        #expect(error?.code == .vaultVersion)
        #expect(error?.message.contains("newer pgkeep") == true)
        #expect(error?.hint.contains("upgrade") == true)
    }

    @Test func `any flipped byte of vault.json or of a slot keeps the vault shut`() throws {
        let store = MemoryStore()
        let key = SyntheticBackup.keySource()
        _ = try Vault.create(store: store, keySource: key)
        for name in [VaultNames.vaultFile, VaultNames.key(epoch: 1, slot: 0)] {
            let length = try #require(store.peek(name)?.count)
            for offset in 0..<length {
                for mask in [UInt8(1), 0x80] {
                    store.corrupt(name, at: offset, xor: mask)
                    #expect(
                        code { _ = try Vault.open(store: store, keySource: key) } != nil,
                        "byte \(offset) of \(name)"
                    )
                    store.corrupt(name, at: offset, xor: mask)
                }
            }
        }
        _ = try Vault.open(store: store, keySource: key)
    }

    @Test func `an interrupted init can be repeated, whatever it left behind`() throws {
        let key = SyntheticBackup.keySource()
        var length = 1
        while true {
            let store = MemoryStore()
            let limit = length
            store.setFaults { $0.number >= limit ? .refuse : nil }
            let first = Result { try Vault.create(store: store, keySource: key) }
            store.setFaults(nil)
            store.crash()
            if case .success = first { break }
            let made = try Vault.create(store: store, keySource: key)
            let opened = try Vault.open(store: store, keySource: key)
            #expect(opened.id == made.id)
            #expect(try opened.keys.fingerprintKey() == made.keys.fingerprintKey())
            length += 1
        }
        #expect(length > 4)
    }

    @Test func `the loser of two racing inits leaves the winner's vault alone`() throws {
        let store = MemoryStore()
        store.failOnce(.refuse) { call in
            guard call.operation == .putIfAbsent, call.name == "vault.json" else { return false }
            // Another process is quicker between the loser's slot and its vault.json.
            store.setFaults(nil)
            _ = try? Vault.create(store: store, keySource: SyntheticBackup.keySource(9))
            return false
        }
        #expect(
            code {
                _ = try Vault.create(store: store, keySource: SyntheticBackup.keySource(8))
            } == .exists
        )
        _ = try Vault.open(store: store, keySource: SyntheticBackup.keySource(9))
        #expect(
            code { _ = try Vault.open(store: store, keySource: SyntheticBackup.keySource(8)) }
                == .wrongKey
        )
    }

    @Test func `the keys of one instance's WAL open no point`() throws {
        let store = MemoryStore()
        let vault = try SyntheticBackup.makeVault(store)
        let point = try SyntheticBackup.small().run(in: vault)
        let system = SyntheticBackup.system
        let ring = KeyRing(
            walOnly: vault.keys.walKeys(scope: system.rawValue),
            scope: system.rawValue
        )
        let restricted = try Vault.open(store: store, walKeys: ring)
        #expect(restricted.id == vault.id)
        #expect(code { _ = try PointReader(restricted, system, point.id) } == .refused)
    }
}
