import Domain
import Platform
import TestSupport
import Testing
import Vaulting

/// The protocol of commits and pruning, as the code has it, under thousands of interleavings of its
/// store calls: writers, pruners and readers, suspended, crashed, with wrong clocks and lost
/// acknowledgements.
///
/// `PGKEEP_TEST_SCHEDULES` sets how many; seeds count up from `PGKEEP_TEST_SEED`, or from 1.
struct ProtocolSearchTests {
    private static let schedules =
        environmentValue("PGKEEP_TEST_SCHEDULES").flatMap { UInt64($0) } ?? defaultSchedules
    #if DEBUG
        private static let defaultSchedules: UInt64 = 300
    #else
        private static let defaultSchedules: UInt64 = 3000
    #endif
    private static let first = environmentValue("PGKEEP_TEST_SEED").flatMap { UInt64($0) } ?? 1

    @Test func `no interleaving takes anything from a visible point`() throws {
        let origin = try ProtocolSearch.Origin()
        let workers = (0..<2).map { worker in
            Thread("search-\(worker)") {
                for number in 0..<Self.schedules where number % 2 == worker {
                    let search = try ProtocolSearch(origin, seed: Self.first &+ number)
                    if let violation = try search.run() { return violation }
                }
                return ""
            }
        }
        for worker in workers {
            let violation = try worker.join()
            #expect(violation.isEmpty, "\(violation)")
        }
    }

    @Test(arguments: ProtocolMutant.Kind.allCases.filter { $0 != .lateMarkers })
    func `a protocol that leaves a step out is caught`(mutant: ProtocolMutant.Kind) throws {
        let origin = try ProtocolSearch.Origin()
        let limit = max(Self.schedules, 4000)
        var isCaught = false
        for seed in 1...limit {
            if try ProtocolSearch(origin, seed: seed, mutant: mutant).run() != nil {
                isCaught = true
                break
            }
        }
        #expect(isCaught, "\(limit) schedules did not find what \(mutant) breaks")
    }

    /// Chance rarely brings the three together this takes, so they are led: while a pruner looks
    /// for markers, a backup begins, and after it has looked at its parent that is condemned.
    @Test(arguments: [ProtocolMutant.Kind.lateMarkers, nil])
    func `markers newer than the leases are not to be used`(mutant: ProtocolMutant.Kind?) throws {
        let system = SyntheticBackup.system
        let store = MemoryStore()
        for (name, bytes) in try ProtocolSearch.Origin().objects {
            store.overwrite(name, with: bytes)
        }
        let source = SyntheticBackup.keySource()
        let vault = try Vault.open(store: store, keySource: source)
        let alone = Schedule(seed: 1, actors: 1, chances: Schedule.Chances())
        let wrong = mutant.map { ProtocolMutant($0, vault, store) }
        let seen = ScheduledStore(store, alone, actor: 0, mutant: wrong) {}
        let parent = try PointReader(
            vault,
            system,
            #require(PointStore.list(vault, system).last).id
        )
        let meanwhile = Condition<(session: BackupSession?, isDone: Bool)>((nil, false))
        store.setFaults { call in
            guard call.operation == .list, call.name == VaultNames.gonePrefix(system),
                meanwhile.change({ state in
                    defer { state.isDone = true }
                    return !state.isDone
                })
            else { return nil }
            let session = try? BackupSession.begin(vault, system, parent: parent)
            _ = try? GoneMarker.put(vault, system, parent.point.id, reason: "test")
            meanwhile.change { $0.session = session }
            return nil
        }
        _ = try Pruner(try Vault.open(store: seen, keySource: source), system).prune()
        store.setFaults(nil)
        let session = try #require(meanwhile.read { $0.session })
        let lost = parent.root.packs.filter {
            store.peek(VaultNames.pack(system, $0.info.id)) == nil
        }
        #expect(lost.isEmpty == (mutant == nil), "what a living backup builds on")
        session.abandon()
    }
}
