import Domain
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

@Suite struct SessionTests {
    private typealias Backup = SyntheticBackup
    private let system = SyntheticBackup.system

    private func tiny() -> Backup {
        Backup(files: ["a": [UInt8](repeating: 7, count: 20_000), "b": []])
    }

    @Test func `nothing is visible before the commit, and nothing is left after giving up`() throws
    {
        let store = MemoryStore()
        let vault = try Backup.makeVault(store)
        let before = store.names
        let session = try BackupSession.begin(vault, system)
        #expect(store.names.contains(VaultNames.lease(system, session.id)))
        _ = try tiny().store(session, workers: 2)
        #expect(try PointStore.list(vault, system).isEmpty)
        session.abandon()
        #expect(store.names == before)
        session.abandon()
    }

    @Test func `a lost acknowledgement of the commit is recognised`() throws {
        let store = MemoryStore()
        let vault = try Backup.makeVault(store)
        store.failOnce(.loseAnswer) { $0.operation == .putIfAbsent && $0.name.contains("/rp/") }
        let point = try tiny().run(in: vault)
        store.setFaults(nil)
        #expect(try Backup.read(vault, point.id).files == tiny().files)
        #expect(!store.names.contains(VaultNames.lease(system, point.id)))
    }

    @Test func `a commit the store refuses is retried, and one it never takes leaves nothing`()
        throws
    {
        let store = MemoryStore()
        let vault = try Backup.makeVault(store)
        store.failOnce(.refuse) { $0.operation == .putIfAbsent && $0.name.contains("/rp/") }
        _ = try tiny().run(in: vault)
        store.setFaults { call in
            call.operation == .putIfAbsent && call.name.contains("/rp/") ? .refuse : nil
        }
        let session = try BackupSession.begin(vault, system)
        #expect(throws: PgkeepError.self) { try tiny().run(session) }
        session.abandon()
        store.setFaults(nil)
        // The commit is undecided for this process: it may not delete packs it cannot disown.
        #expect(try !store.list(prefix: VaultNames.packPrefix(system, session: session.id)).isEmpty)
        #expect(store.names.contains(VaultNames.lease(system, session.id)))
        #expect(try PointStore.list(vault, system).count == 1)
    }

    @Test func `a fenced session cannot commit and cleans up after itself`() throws {
        let store = MemoryStore()
        let vault = try Backup.makeVault(store)
        let session = try BackupSession.begin(vault, system)
        let name = VaultNames.root(system, session.id)
        let stone = try Sealed.encode(
            vault,
            name,
            kind: .tombstone,
            system: system,
            frames: [(.info, Array("{}".utf8))]
        )
        #expect(try store.putIfAbsent(name, stone))
        let error = #expect(throws: PgkeepError.self) { try tiny().run(session) }
        #expect(error?.code == .busy)
        session.abandon()
        #expect(try PointStore.list(vault, system).isEmpty)
        #expect(try store.list(prefix: VaultNames.packPrefix(system)).isEmpty)
        #expect(try store.get(name) == stone)
        #expect(throws: PgkeepError.self) { try PointReader(vault, system, session.id) }
    }

    @Test func `a parent that expires between choice and lease is refused`() throws {
        let store = MemoryStore()
        let vault = try Backup.makeVault(store)
        let first = try tiny().run(in: vault)
        let parent = try PointReader(vault, system, first.id)
        let gone = VaultNames.gone(system, first.id)
        let marker = try Sealed.encode(
            vault,
            gone,
            kind: .gone,
            system: system,
            frames: [(.info, Array("{}".utf8))]
        )
        // The pruner acts after the choice and before the lease is put.
        store.failOnce(.refuse) { call in
            guard call.operation == .put, call.name.contains("/lease/") else { return false }
            store.setFaults(nil)
            store.overwrite(gone, with: marker)
            return false
        }
        let error = #expect(throws: PgkeepError.self) {
            try BackupSession.begin(vault, system, parent: parent)
        }
        #expect(error?.code == .busy)
        #expect(try store.list(prefix: VaultNames.leasePrefix(system)).isEmpty)
        #expect(try PointStore.list(vault, system).isEmpty)
    }

    @Test func `a crash at any operation leaves the state before or after the commit`() throws {
        var crashAt = 1
        var committed = 0
        while true {
            let store = MemoryStore()
            let vault = try Backup.makeVault(store)
            let first = try tiny().run(in: vault)
            let offset = store.calls.count
            let limit = offset + crashAt
            store.setFaults { $0.number >= limit ? .refuse : nil }
            var next = tiny()
            next.files["a"]?[5] = 99
            var ended = false
            let session = try? BackupSession.begin(vault, system)
            if let session { ended = (try? next.run(session)) != nil }
            store.setFaults(nil)
            store.crash()
            session?.lease.crash()
            let points = try PointStore.list(vault, system)
            #expect(points.count == 1 || points.count == 2)
            for listed in points {
                let read = try Backup.read(vault, listed.id).files
                #expect(read == (listed.id == first.id ? tiny().files : next.files))
            }
            if points.count == 2 { committed += 1 }
            if ended, store.calls.count < limit { break }
            crashAt += 1
        }
        #expect(crashAt > 8)
        #expect(committed >= 1)
    }

    @Test func `a full disk ends the backup and harms nothing`() throws {
        for skipped in 0..<6 {
            let store = MemoryStore()
            let vault = try Backup.makeVault(store)
            let first = try tiny().run(in: vault)
            store.failOnce(after: skipped, .full) {
                [.append, .publish, .sync, .putIfAbsent].contains($0.operation)
                    && $0.name.contains("/c/") == false
            }
            var next = tiny()
            next.files["a"]?[5] = 99
            let error = Result { try next.run(in: vault) }
            store.setFaults(nil)
            if case .failure(let error) = error {
                #expect((error as? PgkeepError)?.code == .storeFull)
                #expect(try PointStore.list(vault, system).map(\.id) == [first.id])
            }
            #expect(try Backup.read(vault, first.id).files == tiny().files)
        }
    }

    @Test func `a damaged root is listed as damaged, not hidden`() throws {
        let store = MemoryStore()
        let vault = try Backup.makeVault(store)
        let point = try tiny().run(in: vault)
        store.corrupt(VaultNames.root(system, point.id), at: 100)
        let listed = try PointStore.list(vault, system)
        #expect(listed.map(\.id) == [point.id])
        #expect(throws: PgkeepError.self) { try listed.first?.point.get() }
        #expect(throws: PgkeepError.self) { try PointReader(vault, system, point.id) }
    }

    @Test func `a condemned point is gone for listing and opening`() throws {
        let store = MemoryStore()
        let vault = try Backup.makeVault(store)
        let point = try tiny().run(in: vault)
        store.overwrite(VaultNames.gone(system, point.id), with: [1])
        #expect(try PointStore.list(vault, system).isEmpty)
        let error = #expect(throws: PgkeepError.self) {
            try PointReader(vault, system, point.id)
        }
        #expect(error?.code == .notFound)
    }
}

extension Lease {
    /// What is left of a lease's holder after a crash: no thread.
    fileprivate func crash() { abandon() }
}
