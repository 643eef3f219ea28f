import Domain
import Platform
import Sealing
import Storage
import TestSupport
import Testing
import Vaulting

/// Adding and removing what opens a vault.
@Suite struct KeySlotTests {
    private typealias Fixture = KeyFixture

    @Test func `an added key opens the vault with the same keys`() throws {
        let fixture = try Fixture()
        #expect(try fixture.keys().add(Fixture.passphrase, cost: Fixture.cheap) == 1)
        #expect(try fixture.keys().add(Fixture.second) == 2)
        let first = try fixture.open()
        for source in [Fixture.passphrase, Fixture.second] {
            let opened = try fixture.open(source)
            #expect(try opened.keys.fingerprintKey() == first.keys.fingerprintKey())
            #expect(opened.keys.epochs == [1])
        }
        #expect(try fixture.open(Fixture.second).slot == 2)
        let slots = try fixture.keys(Fixture.second).list()
        #expect(slots.map(\.number) == [0, 1, 2])
        #expect(slots.map(\.kind) == [.keyFile, .passphrase, .keyFile])
        #expect(slots.map(\.isInUse) == [false, false, true])
        #expect(slots.count { $0.isUsable } == 3)
    }

    @Test func `a key that opens the vault already is not added again`() throws {
        let fixture = try Fixture()
        _ = try fixture.keys().add(Fixture.passphrase, cost: Fixture.cheap)
        let names = fixture.store.names.filter { $0.text.hasPrefix("key/") }
        for source in [Fixture.first, Fixture.passphrase] {
            #expect(Fixture.code { _ = try fixture.keys().add(source) } == .exists)
        }
        #expect(fixture.store.names.filter { $0.text.hasPrefix("key/") } == names)
    }

    @Test func `a removed key opens nothing`() throws {
        let fixture = try Fixture()
        _ = try fixture.keys().add(Fixture.second)
        try fixture.keys(Fixture.second).remove(0)
        #expect(Fixture.code { _ = try fixture.open() } == .wrongKey)
        #expect(try fixture.keys(Fixture.second).list().map(\.number) == [1])
        #expect(!fixture.store.names.contains { $0.text.hasPrefix("key/1.0") })
        let missing = Fixture.code { try fixture.keys(Fixture.second).remove(0) }
        #expect(missing == .notFound)
    }

    @Test func `the slot in use is not removed, so never the last one`() throws {
        let fixture = try Fixture()
        let last = #expect(throws: PgkeepError.self) { try fixture.keys().remove(0) }
        #expect(last?.code == .refused && last?.message.contains("last") == true)
        _ = try fixture.keys().add(Fixture.second)
        let inUse = #expect(throws: PgkeepError.self) { try fixture.keys().remove(0) }
        #expect(inUse?.code == .refused && inUse?.message.contains("last") == false)
        // A slot whose secret is lost, or that is damaged, does not count as another way in.
        fixture.store.corrupt(VaultNames.key(epoch: 1, slot: 1), at: 3)
        #expect(Fixture.code { try fixture.keys().remove(0) } == .refused)
        try fixture.keys().remove(1)
        _ = try fixture.open()
    }

    @Test func `an interrupted removal can be repeated`() throws {
        for fault in 1... {
            let fixture = try Fixture()
            _ = try fixture.keys().add(Fixture.second)
            try fixture.rotate(keeping: [Fixture.second])
            let keys = try fixture.keys(holder: Fixture.gone)
            let start = fixture.store.calls.count
            fixture.store.setFaults { $0.changes && $0.number >= start + fault ? .refuse : nil }
            let failed = Fixture.code { try keys.remove(1) } != nil
            fixture.store.setFaults(nil)
            fixture.store.crash()
            let again = Fixture.code { try fixture.keys().remove(1) }
            #expect(again == nil || again == .notFound)
            #expect(Fixture.code { _ = try fixture.open(Fixture.second) } == .wrongKey)
            #expect(try fixture.open().keys.epochs == [1, 2])
            let damage = try VaultCheck(fixture.open(), level: .seal).run().damage
            #expect(damage == [], "\(fault): \(damage)")
            guard failed else { return }
        }
    }

    @Test func `one at a time changes keys, and a dead one is no obstacle`() throws {
        let fixture = try Fixture()
        let keys = try fixture.keys()
        fixture.store.failOnce(.refuse) { call in
            guard call.operation == .putIfAbsent, call.name == "key/1.1" else { return false }
            fixture.store.setFaults(nil)
            // Another process, while the first one adds.
            #expect(Fixture.code { _ = try fixture.keys().add(Fixture.third) } == .busy)
            #expect(Fixture.code { try fixture.rotate() } == .busy)
            return false
        }
        #expect(try keys.add(Fixture.second) == 1)
        // One that dies while it is at it: after the record's third revision, which takes the
        // right to change keys, nothing of it arrives any more.
        let dying = try fixture.keys(holder: Fixture.gone)
        fixture.store.setFaults {
            $0.changes && $0.name != "r/key-change/slots/0000000003" ? .refuse : nil
        }
        #expect(Fixture.code { _ = try dying.add(Fixture.third) } != nil)
        fixture.store.setFaults(nil)
        #expect(fixture.store.names.contains("r/key-change/slots/0000000003"))
        #expect(try fixture.keys().add(Fixture.third) == 2)
    }

    @Test func `who holds WAL alone changes no keys`() throws {
        let fixture = try Fixture()
        let scope = SyntheticBackup.system.rawValue
        let ring = KeyRing(walOnly: try fixture.open().keys.walKeys(scope: scope), scope: scope)
        let vault = try Vault.open(store: fixture.store, walKeys: ring)
        #expect(Fixture.code { _ = try VaultKeys(vault) } == .refused)
    }
}
