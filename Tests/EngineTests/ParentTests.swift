import Domain
import Engine
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

/// Backups compared with a parent point, without a server: only what changed is stored, and every
/// point is whole by itself.
@Suite struct ParentTests {
    private typealias File = TarMaker.File

    /// Files with inline maps, files with region maps, one with zero pages and a short end.
    private static func start(_ random: inout SeededRandom) -> [String: File] {
        var files = [
            "global/pg_control": File(random.bytes(8192)), "base/5/empty": File([]),
            "base/5/region": File(random.bytes(300 * 8192)),
            "base/5/edge": File(random.bytes(64 * 8192)),
            "base/5/short": File(random.bytes(70 * 8192 + 77)),
        ]
        for number in 0..<6 {
            files["base/5/inline-\(number)"] = File(random.bytes(8192 * (1 + number * 7)))
        }
        files["base/5/holes"] = File(
            size: 200 * 8192,
            pages: [3: random.bytes(8192), 120: random.bytes(8192)]
        )
        return files
    }

    @Test func `an unchanged instance costs next to nothing`() throws {
        var random = SeededRandom(stream: "unchanged")
        let instance = try SyntheticInstance()
        instance.files = Self.start(&random)
        let first = try instance.backUp(after: nil)
        let second = try instance.backUp(after: first.id)
        #expect(first.parent == nil && second.parent == first.id)
        #expect(first.pagesNew == first.pagesTotal && second.pagesNew == 0)
        #expect(second.pagesTotal == first.pagesTotal)
        // The catalog with its inline fingerprints and the server's manifest.
        #expect(second.storedBytes < first.storedBytes / 100)
        #expect(try instance.difference(of: second.id, from: instance.files) == nil)
        let root = try PointReader(instance.vault, SyntheticInstance.system, second.id).root
        let parent = try PointReader(instance.vault, SyntheticInstance.system, first.id).root
        #expect(root.parentRoot == parent.digest)
    }

    @Test func `changed pages are stored, and nothing else`() throws {
        var random = SeededRandom(stream: "changed")
        let instance = try SyntheticInstance()
        instance.files = Self.start(&random)
        let first = try instance.backUp(after: nil)
        for page in [0, 1, 63, 64, 299] {
            instance.files["base/5/region"]?.pages[page] = random.bytes(8192)
        }
        instance.files["base/5/region"]?.pages[7] = nil
        instance.files["base/5/holes"]?.pages[4] = random.bytes(8192)
        instance.files["base/5/inline-5"]?.pages[2] = random.bytes(8192)
        // The same content at another place or under another name is new: maps know positions.
        instance.files["base/5/other"] = instance.files["base/5/inline-1"]
        let second = try instance.backUp(after: first.id)
        #expect(second.pagesNew == 5 + 1 + 1 + 8)
        #expect(second.storedBytes < 16 * 8192 + 30_000)
        #expect(try instance.difference(of: second.id, from: instance.files) == nil)
    }

    @Test(arguments: 0..<6)
    func `files of a chain come back whatever became of them`(seed: UInt64) throws {
        var random = SeededRandom(stream: "chain \(seed)")
        let instance = try SyntheticInstance()
        instance.files = Self.start(&random)
        var states: [(id: PointID, files: [String: File])] = []
        var deltas = 0
        var regions = 0
        for _ in 0..<14 {
            instance.workers = Int.random(in: 1...4, using: &random)
            // Now and then an older point is the parent, as after the newest one was deleted.
            let isNewest = Bool.random(using: &random)
            let parent = isNewest ? states.last : states.randomElement(using: &random)
            let point = try instance.backUp(after: parent?.id)
            states.append((point.id, instance.files))
            let reader = try PointReader(instance.vault, SyntheticInstance.system, point.id)
            let cursor = reader.catalog()
            while let entry = try cursor.next() {
                guard case .file(_, _, .regions(let found)) = entry.kind else { continue }
                regions += found.count
                deltas += found.count { $0.delta != nil }
            }
            for _ in 0..<3 { Self.change(&instance.files, &random) }
            instance.clock.advance(seconds: 3600 * 20)
        }
        for state in states {
            #expect(try instance.difference(of: state.id, from: state.files) == nil)
        }
        #expect(deltas > 0 && deltas < regions)
        let damage = try instance.damage()
        #expect(damage.isEmpty, "\(damage)")
        // Any of them can go, in any order, and the others are whole.
        for (gone, state) in states.shuffled(using: &random).enumerated() {
            try instance.remove([state.id])
            states.removeAll { $0.id == state.id }
            guard gone % 4 == 0 else { continue }
            for left in states {
                #expect(try instance.difference(of: left.id, from: left.files) == nil)
            }
        }
        #expect(try instance.packBytes() == 0)
    }

    /// What PostgreSQL does to files: changes, truncation, extension, drop, rewrite, rename.
    private static func change(_ files: inout [String: File], _ random: inout SeededRandom) {
        let names = files.keys.filter { !$0.hasPrefix("global") }.sorted()
        guard let name = names.randomElement(using: &random), var file = files[name] else { return }
        let pages = (file.size + 8191) / 8192
        switch Int.random(in: 0..<8, using: &random) {
        case 0:
            files[name] = nil
            return
        case 1:
            files["base/5/\(random.next() % 1000)"] = file
            files[name] = nil
            return
        case 2:
            files["base/5/new-\(random.next() % 1000)"] = File(
                random.bytes(Int.random(in: 0..<100 * 8192, using: &random))
            )
        case 3:
            file.size = Int.random(in: 0...file.size, using: &random)
            file.pages = file.pages.filter { $0.key * 8192 < file.size }
        case 4:
            let more = Int.random(in: 1...90, using: &random)
            file.size = (pages + more) * 8192
            if let last = file.pages[pages - 1] {
                file.pages[pages - 1] = last + [UInt8](repeating: 0, count: 8192 - last.count)
            }
            for page in pages..<pages + more where page % 5 > 0 {
                file.pages[page] = random.bytes(8192)
            }
        default:
            for page in 0..<pages where Int.random(in: 0..<20, using: &random) == 0 {
                let length = min(8192, file.size - page * 8192)
                file.pages[page] = Bool.random(using: &random) ? nil : random.bytes(length)
            }
        }
        files[name] = file
    }

    @Test func `what is damaged in the parent is stored again, and heals`() throws {
        var random = SeededRandom(stream: "damaged parent")
        let instance = try SyntheticInstance()
        instance.files = Self.start(&random)
        instance.workers = 3
        let first = try instance.backUp(after: nil)
        let reader = try PointReader(instance.vault, SyntheticInstance.system, first.id)
        let packs = reader.root.packs.map(\.info.id)
        var stored: [UInt64] = []
        #expect(try PointStore.damagedPacks(of: reader).isEmpty)
        for pack in packs {
            let name = VaultNames.pack(SyntheticInstance.system, pack)
            let bytes = try instance.store.get(name)
            try instance.store.delete(name)
            let fresh = try PointReader(instance.vault, SyntheticInstance.system, first.id)
            let damaged = try PointStore.damagedPacks(of: fresh)
            #expect(damaged == [pack])
            let second = try instance.backUp(after: first.id, damaged: damaged)
            #expect(try instance.difference(of: second.id, from: instance.files) == nil)
            stored.append(second.pagesNew)
            // Cut off: found by the same listing. Changed inside: named by whoever checked.
            try instance.store.put(name, Array(bytes.dropLast()))
            #expect(try PointStore.damagedPacks(of: fresh) == [pack])
            var changed = bytes
            for position in stride(from: 64, to: bytes.count, by: 999) { changed[position] ^= 1 }
            try instance.store.put(name, changed)
            let third = try instance.backUp(after: first.id, damaged: [pack])
            #expect(try instance.difference(of: third.id, from: instance.files) == nil)
            try instance.store.put(name, bytes)
        }
        // Without the catalog nothing is known; without one of the others, something.
        #expect(stored.allSatisfy { $0 <= first.pagesNew } && stored.contains(first.pagesNew))
        #expect(stored.contains(0))
    }

    @Test func `a parent that expires while it is chosen is given up for the next one`() throws {
        var random = SeededRandom(stream: "expiring parent")
        let instance = try SyntheticInstance()
        instance.files = Self.start(&random)
        let (store, system) = (instance.store, SyntheticInstance.system)
        let points = try (0..<3).map { _ in
            instance.clock.advance(seconds: 60)
            return try instance.backUp(after: nil)
        }
        // Pruning condemns the newest point in the moment the lease is put, then one more.
        let condemned = Condition(0)
        store.setFaults { call in
            guard call.operation == .put, call.name.contains("/lease/") else { return nil }
            let number = condemned.change { number in
                number += 1
                return number
            }
            if number < 3 {
                try? store.put(VaultNames.gone(system, points[3 - number].id), [0])
            }
            return nil
        }
        let (session, parents) = try ParentMaps.begin(
            instance.vault,
            system,
            Evacuation.Policy(),
            clock: instance.clock
        )
        store.setFaults(nil)
        #expect(parents?.reader.point.id == points[0].id)
        #expect(session.parent?.point.id == points[0].id)
        let leases = try Lease.list(instance.vault, system)
        #expect(leases.map(\.session) == [session.id] && leases[0].parent == points[0].id)
        session.abandon()
    }
}
