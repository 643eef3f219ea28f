import Domain
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

/// Every object kind, every byte: found by check, and never restored as if nothing were.
@Suite struct DamageTests {
    private typealias Backup = SyntheticBackup
    private let system = SyntheticBackup.system

    /// A vault with one object of every kind, as small as can be.
    private func makeVault(_ store: MemoryStore) throws -> (Vault, [PointID]) {
        let vault = try Backup.makeVault(store)
        try SyntheticBackup.addArchive(to: vault)
        var backup = Backup(files: [:], directories: ["d"], links: ["l": "t"])
        backup.files["a"] = [UInt8](repeating: 7, count: 8192) + [1]
        // More than 64 pages, so that region maps are there as well.
        backup.files["b"] =
            [UInt8](repeating: 0, count: 8192 * 63) + [UInt8](repeating: 1, count: 8192 * 3)
        let first = try backup.run(in: vault, attachments: ["postgresql.conf": [1, 2, 3]])
        backup.files["a"]?[0] = 8
        let parent = try PointReader(vault, system, first.id)
        let second = try backup.run(in: vault, parent: parent)
        return (vault, [first.id, second.id])
    }

    private func check(_ vault: Vault, _ level: VaultCheck.Level) throws -> [VaultCheck.Damage] {
        try VaultCheck(vault, level: level).run().damage
    }

    @Test func `a sound vault passes at every level`() throws {
        let (vault, _) = try makeVault(MemoryStore())
        for level in [VaultCheck.Level.list, .seal, .decode] {
            let damage = try check(vault, level)
            #expect(damage == [], "\(damage)")
        }
    }

    @Test func `every flipped byte of every object is found`() throws {
        let store = MemoryStore()
        let (vault, points) = try makeVault(store)
        var random = SeededRandom(stream: "flipped bytes")
        let readers = try points.map { try PointReader(vault, system, $0) }
        func uses(_ reader: PointReader, _ id: PackID) -> Bool {
            reader.root.packs.contains { $0.info.id == id }
        }
        for name in store.names {
            let length = try #require(store.peek(name)?.count)
            var needed: Set<PointID> = []
            if case .root(_, let id) = ObjectPlace(name) { needed.insert(id) }
            if case .pack(_, let id) = ObjectPlace(name) {
                needed = Set(readers.filter { uses($0, id) }.map(\.point.id))
            }
            // All bytes at both ends, where the layout is; of sealed bytes between them every
            // third, others in every run.
            let first = Int.random(in: 0..<3, using: &random)
            for offset in 0..<length
            where offset < 100 || offset >= length - 140 || offset % 3 == first {
                let mask = UInt8(1) << UInt8((offset * 5 + 3) % 8)
                store.corrupt(name, at: offset, xor: mask)
                let damage = try check(vault, .seal)
                #expect(damage.contains { $0.object == name }, "byte \(offset) of \(name)")
                if let found = damage.first(where: { $0.object == name }), offset % 16 == 0 {
                    #expect(needed.isSubset(of: Set(found.points)), "byte \(offset) of \(name)")
                }
                store.corrupt(name, at: offset, xor: mask)
            }
        }
        #expect(try check(vault, .decode) == [])
    }

    @Test func `a flipped byte of a pack or root never gives another content`() throws {
        let store = MemoryStore()
        let (vault, points) = try makeVault(store)
        let sound = try points.map { try Backup.read(vault, $0).files }
        for name in store.names {
            switch ObjectPlace(name) {
            case .pack, .root: break
            default: continue
            }
            let length = try #require(store.peek(name)?.count)
            for offset in stride(from: 0, to: length, by: 3) {
                store.corrupt(name, at: offset, xor: 1 << UInt8(offset % 8))
                for (id, files) in zip(points, sound) {
                    let read = Result { try Backup.read(vault, id).files }
                    if case .success(let found) = read { #expect(found == files) }
                }
                store.corrupt(name, at: offset, xor: 1 << UInt8(offset % 8))
            }
        }
    }

    @Test func `truncated and extended objects are found without reading packs`() throws {
        let store = MemoryStore()
        let (vault, _) = try makeVault(store)
        for name in store.names {
            let bytes = try #require(store.peek(name))
            var changed = [[], Array(bytes.dropLast(1)), bytes + [0]]
            changed.append(Array(bytes.prefix(bytes.count / 2)))
            for replacement in changed {
                store.overwrite(name, with: replacement)
                let isPack = if case .pack = ObjectPlace(name) { true } else { false }
                let damage = try check(vault, isPack ? .list : .seal)
                #expect(damage.contains { $0.object == name }, "\(replacement.count) of \(name)")
                store.overwrite(name, with: bytes)
            }
        }
    }

    @Test func `a missing object of any kind is told of`() throws {
        let store = MemoryStore()
        let (vault, points) = try makeVault(store)
        for name in store.names {
            let bytes = try #require(store.peek(name))
            store.lose(name)
            let damage = try check(vault, .list)
            #expect(!damage.isEmpty, "\(name)")
            switch ObjectPlace(name) {
            case .pack(_, let id):
                #expect(damage.contains { $0.points.contains(id.session) })
            case .root(_, let id):
                #expect(damage.contains { $0.points.contains(id) })
            default: break
            }
            store.overwrite(name, with: bytes)
        }
        #expect(points.count == 2)
    }

    @Test func `swapped objects of one kind are found`() throws {
        let store = MemoryStore()
        let (vault, _) = try makeVault(store)
        let other = MemoryStore()
        _ = try makeVault(other)
        let names = store.names
        for (left, right) in zip(names, names.dropFirst()) {
            let (first, second) = (store.peek(left) ?? [], store.peek(right) ?? [])
            store.overwrite(left, with: second)
            store.overwrite(right, with: first)
            let found = try check(vault, .seal).map(\.object)
            #expect(found.contains(left) && found.contains(right), "\(left) and \(right)")
            store.overwrite(left, with: first)
            store.overwrite(right, with: second)
        }
        // The same kinds of another vault, under names of this one.
        for name in names {
            let kin = other.names.first {
                ObjectPlace($0).kinds == ObjectPlace(name).kinds && !ObjectPlace($0).kinds.isEmpty
            }
            guard let kin, let bytes = other.peek(kin) else { continue }
            let own = store.peek(name) ?? []
            store.overwrite(name, with: bytes)
            #expect(try check(vault, .seal).contains { $0.object == name }, "\(name)")
            store.overwrite(name, with: own)
        }
    }

    @Test func `a stranger's object is told of`() throws {
        let store = MemoryStore()
        let (vault, _) = try makeVault(store)
        store.overwrite("c/notes.txt", with: [1])
        #expect(try check(vault, .list).map(\.object) == ["c/notes.txt"])
    }

    @Test func `a lost root is salvaged from its last pack`() throws {
        let store = MemoryStore()
        let (vault, points) = try makeVault(store)
        let packs = store.names.filter {
            if case .pack(_, let id) = ObjectPlace($0) { id.session == points[1] } else { false }
        }
        let last = try #require(packs.last)
        // Without directory and footer too: the frames alone must do.
        let length = try #require(store.peek(last)?.count)
        store.truncate(last, to: length - 40)
        let reader = try SalvageReader(vault, last, kinds: [.pack], system: system)
        var copies: [[UInt8]] = []
        while let frame = try reader.next() {
            if frame.kind == .rootCopy { copies.append(frame.bytes) }
        }
        #expect(copies.first?.first == FrameKind.info.rawValue)
        let text = String(decoding: copies.first?.dropFirst() ?? [], as: UTF8.self)
        #expect(text.contains(points[1].description))
        #expect(copies.contains { $0.first == FrameKind.packTable.rawValue })
    }

    @Test func `what others do meanwhile is no damage`() throws {
        let store = MemoryStore()
        let (vault, points) = try makeVault(store)
        let abandoned = try BackupSession.begin(vault, system)
        _ = try Backup(files: ["x": [1]]).store(abandoned, workers: 1)
        let names = store.names
        // After the listing one backup commits, one gives up, and pruning takes a point away.
        store.failOnce(.refuse) { call in
            guard call.operation == .get, call.name == "vault.json" else { return false }
            store.setFaults(nil)
            _ = try? Backup(files: ["y": [2]]).run(in: vault)
            abandoned.abandon()
            store.overwrite(VaultNames.gone(system, points[1]), with: [1])
            store.lose(VaultNames.root(system, points[1]))
            for name in names {
                if case .pack(_, let id) = ObjectPlace(name), id.session == points[1] {
                    store.lose(name)
                }
            }
            return false
        }
        let damage = try check(vault, .decode)
        // The marker itself is no sealed object here; it came after the listing, too.
        #expect(damage == [], "\(damage)")
    }
}
