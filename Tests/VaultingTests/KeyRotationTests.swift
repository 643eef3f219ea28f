import Domain
import Platform
import Sealing
import Storage
import TestSupport
import Testing
import Vaulting

/// New epochs: what is written under which key, and who can still read it.
@Suite struct KeyRotationTests {
    private typealias Fixture = KeyFixture
    private let system = SyntheticBackup.system

    @Test func `after a rotation everything is readable and unchanged pages are not stored again`()
        throws
    {
        let fixture = try Fixture()
        _ = try fixture.keys().add(Fixture.passphrase, cost: Fixture.cheap)
        let first = try SyntheticBackup.small().run(in: fixture.open())
        let done = try fixture.rotate(keeping: [Fixture.passphrase])
        #expect(done == VaultKeys.Rotation(epoch: 2, kept: [0, 1], dropped: []))
        for source in [Fixture.first, Fixture.passphrase] {
            let vault = try fixture.open(source)
            #expect(vault.keys.epochs == [1, 2] && vault.keys.currentEpoch == 2)
            let parent = try PointReader(vault, system, first.id)
            let next = try SyntheticBackup.small().run(in: vault, parent: parent)
            #expect(next.pagesNew == 0)
            #expect(fixture.epoch(of: VaultNames.root(system, first.id)) == 1)
            #expect(fixture.epoch(of: VaultNames.root(system, next.id)) == 2)
            for id in [first.id, next.id] {
                let files = try SyntheticBackup.read(vault, id).files
                #expect(files == SyntheticBackup.small().files)
            }
        }
        let damage = try VaultCheck(fixture.open(), level: .decode).run().damage
        #expect(damage == [], "\(damage)")
    }

    @Test func `slots whose secrets are not at hand are named, and dropped only when asked`()
        throws
    {
        let fixture = try Fixture()
        _ = try fixture.keys().add(Fixture.second)
        _ = try fixture.keys().add(Fixture.passphrase, cost: Fixture.cheap)
        let names = fixture.store.names.filter { $0.text.hasPrefix("key/") }
        let error = #expect(throws: PgkeepError.self) { try fixture.rotate() }
        #expect(error?.code == .refused && error?.message.hasSuffix(": 1, 2") == true)
        #expect(fixture.store.names.filter { $0.text.hasPrefix("key/") } == names)
        let done = try fixture.rotate(keeping: [Fixture.passphrase], dropsOthers: true)
        #expect(done == VaultKeys.Rotation(epoch: 2, kept: [0, 2], dropped: [1]))
        #expect(Fixture.code { _ = try fixture.open(Fixture.second) } == .wrongKey)
        #expect(!fixture.store.names.contains { $0.text.hasSuffix(".1") })
        #expect(try fixture.open(Fixture.passphrase).keys.epochs == [1, 2])
    }

    @Test func `a thief with a copy of everything before opens nothing written after`() throws {
        let fixture = try Fixture()
        let old = try fixture.open()
        _ = try fixture.keys().add(Fixture.second)
        let stolen = fixture.store.names.filter { $0.text.hasPrefix("key/") }
            .map { ($0, fixture.store.peek($0) ?? []) }
        try fixture.rotate(Fixture.second, dropsOthers: true)
        let point = try SyntheticBackup.small().run(in: fixture.open(Fixture.second))
        // The old keys themselves, and the old slots put back.
        #expect(Fixture.code { _ = try PointReader(old, system, point.id) } == .wrongKey)
        for (name, bytes) in stolen { fixture.store.overwrite(name, with: bytes) }
        let error = #expect(throws: PgkeepError.self) { _ = try fixture.open(Fixture.first) }
        #expect(error?.code == .wrongKey && error?.message.contains("left out") == true)
    }

    @Test func `a key to be kept that opens nothing is told, and nothing is done`() throws {
        let fixture = try Fixture()
        #expect(Fixture.code { try fixture.rotate(keeping: [Fixture.third]) } == .wrongKey)
        _ = try fixture.keys().add(Fixture.second)
        let vault = try fixture.open()
        let without = Fixture.code {
            _ = try VaultKeys(vault).rotate(keeping: [Fixture.second], dropsOthers: true)
        }
        #expect(without == .refused)
        #expect(try fixture.open().keys.epochs == [1])
    }

    @Test func `a key added after rotations opens what was written before them`() throws {
        let fixture = try Fixture()
        let point = try SyntheticBackup.small().run(in: fixture.open())
        try fixture.rotate()
        try fixture.rotate()
        let slot = try fixture.keys().add(Fixture.second)
        let vault = try fixture.open(Fixture.second)
        #expect(vault.keys.epochs == [1, 2, 3])
        let files = try SyntheticBackup.read(vault, point.id).files
        #expect(files == SyntheticBackup.small().files)
        #expect(try fixture.keys().list().map(\.number) == [0, slot])
        // Without the first holder all epochs are still within reach.
        try fixture.keys(Fixture.second).remove(0)
        #expect(try fixture.open(Fixture.second).keys.epochs == [1, 2, 3])
        #expect(Fixture.code { _ = try fixture.open() } == .wrongKey)
        // What ties the epochs together is nobody's slot.
        let ties = Set(
            fixture.store.names.compactMap { name -> UInt32? in
                guard name.text.hasPrefix("key/1."), !name.text.hasSuffix(".seal") else {
                    return nil
                }
                return UInt32(name.text.dropFirst(6))
            }
        )
        #expect(!ties.isEmpty)
        for tie in ties {
            #expect(Fixture.code { try fixture.keys(Fixture.second).remove(tie) } == .refused)
        }
    }

    @Test func `a damaged tie is made up for by the holder's own old slot`() throws {
        let fixture = try Fixture()
        let point = try SyntheticBackup.small().run(in: fixture.open())
        try fixture.rotate()
        let tie = VaultNames.key(epoch: 1, slot: 1)
        fixture.store.corrupt(tie, at: 100)
        let vault = try fixture.open()
        #expect(vault.keys.epochs == [1, 2])
        _ = try SyntheticBackup.read(vault, point.id)
        let damage = try VaultCheck(vault, level: .list).run().damage.map(\.object)
        #expect(damage.contains(tie))
    }

    @Test func `a lost slot opens nothing, another one everything`() throws {
        let fixture = try Fixture()
        _ = try fixture.keys().add(Fixture.second)
        try fixture.rotate(keeping: [Fixture.second])
        fixture.store.lose(VaultNames.key(epoch: 2, slot: 0))
        #expect(Fixture.code { _ = try fixture.open() } == .wrongKey)
        let vault = try fixture.open(Fixture.second)
        #expect(vault.keys.epochs == [1, 2])
        let damage = try VaultCheck(vault, level: .list).run().damage.map(\.object)
        #expect(damage == ["key/2.0.seal"])
    }

    @Test func `a session begun before a rotation ends after it`() throws {
        let fixture = try Fixture()
        let session = try BackupSession.begin(fixture.open(), system)
        let catalog = try SyntheticBackup.small().store(session, workers: 1)
        try fixture.rotate()
        let point = try session.commit(SyntheticBackup.point(session.id), catalog: catalog)
        #expect(fixture.epoch(of: VaultNames.root(system, point.id)) == 1)
        let vault = try fixture.open()
        let parent = try PointReader(vault, system, point.id)
        let next = try SyntheticBackup.small().run(in: vault, parent: parent)
        #expect(next.pagesNew == 0)
        #expect(try VaultCheck(vault, level: .decode).run().damage == [])
    }

    @Test func `a restore's WAL key opens the WAL of every epoch`() throws {
        let fixture = try Fixture()
        try fixture.rotate()
        try ScratchDirectory.with { scratch in
            let path = scratch.file("wal.key")
            try WALKeyFile(fixture.open(), system).write(to: path)
            let ring = try WALKeyFile(path: path).keyRing
            #expect(ring.epochs == [1, 2])
            let vault = try Vault.open(store: fixture.store, walKeys: ring)
            let archive = TimelineArchive(vault, system)
            #expect(try archive.content(of: 2) != nil)
        }
    }

    @Test func `a rotation interrupted anywhere harms nobody and can be repeated`() throws {
        for fault in 1... {
            let fixture = try Fixture()
            _ = try fixture.keys().add(Fixture.second)
            _ = try fixture.keys().add(Fixture.third)
            let point = try SyntheticBackup.small().run(in: fixture.open())
            let keys = try fixture.keys(holder: Fixture.gone)
            let start = fixture.store.calls.count
            fixture.store.setFaults { $0.number >= start + fault ? .refuse : nil }
            let failed =
                Fixture.code {
                    _ = try keys.rotate(
                        keeping: [Fixture.first, Fixture.second],
                        dropsOthers: true
                    )
                } != nil
            fixture.store.setFaults(nil)
            fixture.store.crash()
            // Both see the same epochs, whether or not the commit happened, and no damage.
            let (one, other) = (try fixture.open(), try fixture.open(Fixture.second))
            #expect(one.keys.epochs == other.keys.epochs)
            let names = try VaultCheck(one, level: .seal).run().damage
            // Between a slot and its digest a crash leaves a slot that must be added again.
            #expect(names.allSatisfy { $0.reason.contains("digest") || $0.reason.contains("slot") })
            let written = try SyntheticBackup.small().run(in: one)
            _ = try SyntheticBackup.read(other, written.id)
            let done = try fixture.rotate(keeping: [Fixture.second], dropsOthers: true)
            #expect(done.kept == [0, 1])
            let after = try fixture.open(Fixture.second)
            #expect(after.keys.currentEpoch == done.epoch)
            for id in [point.id, written.id] { _ = try SyntheticBackup.read(after, id) }
            #expect(Fixture.code { _ = try fixture.open(Fixture.third) } == .wrongKey)
            let damage = try VaultCheck(after, level: .seal).run().damage
            #expect(damage == [], "\(fault): \(damage)")
            guard failed else { return }
        }
    }

    @Test func `of two rotations at once the second is told to wait`() throws {
        let fixture = try Fixture()
        let keys = try fixture.keys()
        fixture.store.failOnce(.refuse) { call in
            guard call.operation == .delete, call.name == "key/2.pending" else { return false }
            fixture.store.setFaults(nil)
            #expect(Fixture.code { try fixture.rotate() } == .busy)
            // Nothing of an epoch counts before its commit.
            #expect((try? fixture.open().keys.epochs) == [1])
            return false
        }
        _ = try keys.rotate(keeping: [Fixture.first], dropsOthers: false)
        #expect(try fixture.open().keys.epochs == [1, 2])
        // Whoever opened the vault before changes no slots of an epoch it does not hold.
        #expect(Fixture.code { _ = try keys.add(Fixture.second) } == .busy)
    }
}
