import Domain
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

/// Checks that go round in turns: nothing is forgotten, nothing looked at twice before its time.
@Suite struct ScrubTests {
    private let system = SyntheticBackup.system
    private let clock = ManualClock()

    /// A vault with packs, WAL and a point, everything written at the clock's beginning.
    private func makeVault() throws -> (MemoryStore, Vault, RecoveryPoint) {
        let store = MemoryStore(clock: clock)
        let vault = try SyntheticBackup.makeVault(store)
        try SyntheticBackup.addArchive(to: vault, segmentSize: 1 << 20)
        var backup = SyntheticBackup.small()
        backup.segmentSize = 1 << 20
        let point = try backup.run(in: vault, workers: 3, clock: clock)
        clock.advance(seconds: 60)
        return (store, vault, point)
    }

    private func plan(_ record: ScrubRecord? = nil, since: Double? = nil) -> ScrubPlan {
        var plan = ScrubPlan()
        plan.clock = clock
        if let record { plan.history[system] = record }
        plan.since = since.map { clock.now.adding(seconds: -Int64($0)) }
        return plan
    }

    /// Packs and whole segments, which are what goes round.
    private func large(_ store: MemoryStore) -> [ObjectName] {
        store.names.filter { name in
            if case .pack = ObjectPlace(name) { return true }
            if case .sealed = WALObjectName(name)?.form { return true }
            return false
        }
    }

    private func looked(_ store: MemoryStore, since start: Int) -> [ObjectName] {
        let read = Set(
            store.calls.dropFirst(start).filter { $0.operation == .getRange }.map(\.name)
        )
        return large(store).filter { read.contains($0.text) }
    }

    @Test func `what was looked at lately is left out, what was written since is not`() throws {
        let (store, vault, _) = try makeVault()
        let first = try VaultCheck(vault, level: .seal, plan: plan()).run()
        #expect(first.damage == [] && first.leftOut == 0 && first.due == 0)
        let record = try #require(first.scrubs[system])
        #expect(record.stretches.count == 1)
        clock.advance(seconds: 3600)
        let again = try VaultCheck(vault, level: .seal, plan: plan(record, since: 7200)).run()
        #expect(again.leftOut == large(store).count && again.bytes < first.bytes)
        #expect(again.scrubs[system] == record)
        let late = try VaultCheck(vault, level: .seal, plan: plan(record, since: 60)).run()
        #expect(late.leftOut == 0)
        let known = Set(large(store))
        _ = try SyntheticBackup(files: ["new": [1, 2, 3]]).run(in: vault, clock: clock)
        clock.advance(seconds: 1)
        let start = store.calls.count
        let next = try VaultCheck(vault, level: .seal, plan: plan(record, since: 7200)).run()
        #expect(next.leftOut == known.count)
        let written = Set(large(store)).subtracting(known)
        #expect(written.isSubset(of: Set(looked(store, since: start))))
    }

    @Test func `small budgets go round once before anything is looked at again`() throws {
        let (store, vault, _) = try makeVault()
        let count = large(store).count
        #expect(count >= 4)
        var record: ScrubRecord?
        for round in 0..<2 {
            var sound: [Int] = []
            for _ in 0..<count {
                var plan = plan(record)
                plan.budgetBytes = 1
                let report = try VaultCheck(vault, level: .seal, plan: plan).run()
                #expect(report.damage == [] && report.due == count - 1)
                record = report.scrubs[system]
                sound.append(report.soundPacks[system]?.count ?? 0)
                clock.advance(seconds: 100)
            }
            // Every pack once, and every segment once.
            let packs = large(store).count { $0.text.contains("/pack/") }
            #expect(sound.reduce(0, +) == packs)
            #expect(round > 0 || record != nil)
        }
        // All of them within as many runs as there are objects.
        let since = plan(record, since: Double(count) * 100 + 50)
        #expect(try VaultCheck(vault, level: .seal, plan: since).run().leftOut == count)
    }

    @Test func `a point is put together in portions`() throws {
        let (store, vault, point) = try makeVault()
        var record = try VaultCheck(vault, level: .seal, plan: plan()).run().scrubs[system]
        let files = SyntheticBackup.small().files.count
        var runs = 0
        var paths: [String] = []
        while runs < files + 2 {
            clock.advance(seconds: 10)
            var plan = plan(record, since: 5000)
            plan.budgetBytes = 1
            let report = try VaultCheck(vault, level: .decode, plan: plan).run()
            #expect(report.damage == [])
            record = report.scrubs[system]
            runs += 1
            guard let next = record?.points.first?.next else { break }
            paths.append(next)
            #expect(report.due == 1)
        }
        #expect(paths == paths.sorted() && Set(paths).count == paths.count)
        #expect(runs > 3)
        #expect(record?.points.map(\.id) == [point.id])
        // Damage in the last file is found by the run that gets there.
        var damaged = record
        damaged = nil
        let reader = try PointReader(vault, system, point.id)
        let last = try #require(try reader.entry(path: "pg_tblspc/16400/PG_18/5/24576"))
        let map = try #require(try reader.map(of: last, region: 0, fingerprints: false))
        let pack = try #require(map.packs.first)
        let name = VaultNames.pack(system, pack)
        let length = try #require(store.peek(name)?.count)
        store.corrupt(name, at: length / 2)
        var found = false
        for _ in 0..<files + 20 where !found {
            clock.advance(seconds: 10)
            var plan = plan(damaged)
            plan.budgetBytes = 1
            let report = try VaultCheck(vault, level: .decode, plan: plan).run()
            damaged = report.scrubs[system]
            found = report.damage.contains { $0.object == name }
        }
        #expect(found)
    }

    @Test func `a budget of time ends a check`() throws {
        let (store, vault, _) = try makeVault()
        var plan = plan()
        plan.budgetSeconds = 0
        let report = try VaultCheck(vault, level: .seal, plan: plan).run()
        #expect(report.due == large(store).count - 1)
    }

    @Test func `damaged packs are remembered until they are seen sound or needed no more`() throws {
        let (store, vault, point) = try makeVault()
        let reader = try PointReader(vault, system, point.id)
        let packs = reader.root.packs.map(\.info.id)
        let victim = try #require(packs.first)
        let name = VaultNames.pack(system, victim)
        store.corrupt(name, at: 200)
        let report = try VaultCheck(vault, level: .seal, plan: plan()).run()
        #expect(report.damage.map(\.object) == [name])
        #expect(report.soundPacks[system] == Set(packs).subtracting([victim]))
        func keep(_ damaged: Set<PackID>, _ sound: Set<PackID>, known: Set<PackID>) throws {
            try DamageRecord.keep(
                vault,
                system,
                damaged: damaged,
                sound: sound,
                clock: clock,
                isKnown: known.contains
            )
        }
        #expect(try DamageRecord.packs(vault, system) == [])
        try keep([victim], [], known: Set(packs))
        #expect(try DamageRecord.packs(vault, system) == [victim])
        let found = try #require(try DamageRecord.read(vault, system)?.packs.first?.foundAt)
        clock.advance(seconds: 10)
        // Found again: the first time is what counts.
        try keep([victim], [], known: Set(packs))
        #expect(try DamageRecord.read(vault, system)?.packs.first?.foundAt == found)
        // It is the first to be looked at next time, whatever the budget leaves out.
        var plan = plan(report.scrubs[system], since: 3600)
        plan.budgetBytes = 1
        #expect(
            try VaultCheck(vault, level: .seal, plan: plan).run().damage.map(\.object) == [name]
        )
        store.corrupt(name, at: 200)
        let healed = try VaultCheck(vault, level: .seal, plan: plan).run()
        #expect(healed.damage == [] && healed.soundPacks[system] == [victim])
        try keep([], [victim], known: Set(packs))
        #expect(try DamageRecord.packs(vault, system) == [])
        try keep([victim], [], known: Set(packs))
        try keep([], [], known: [])
        #expect(try DamageRecord.packs(vault, system) == [])
    }

    @Test func `a record stays small, and says of no object more than is known`() throws {
        var random = SeededRandom(stream: "scrub record")
        for _ in 0..<20 {
            let count = Int.random(in: 1..<3000, using: &random)
            var at: Timestamp?
            let objects = (0..<count).map { number in
                if Int.random(in: 0..<3, using: &random) == 0 {
                    let seconds = Int64.random(in: 1000..<1010, using: &random)
                    at = Bool.random(using: &random) ? nil : Timestamp(seconds: seconds)
                }
                return (name: "c/\(10_000 + number)", at: at)
            }
            var record = ScrubRecord()
            record.set(objects)
            #expect(record.stretches.count <= ScrubRecord.stretchesMax)
            let old = Timestamp(seconds: 1)
            var forgotten = 0
            for (name, at) in objects {
                let said = record.checked(name, modified: old)
                #expect(said == at || said == nil)
                if said != at { forgotten += 1 }
                #expect(record.checked(name, modified: Timestamp(seconds: 1010)) == nil)
            }
            #expect(forgotten == 0 || record.stretches.count == ScrubRecord.stretchesMax)
            #expect(record.checked("c/1", modified: old) == nil)
            #expect(record.checked("c/99999", modified: old) == nil)
        }
    }
}
