import Domain
import Storage
import TestSupport
import Testing
import Vaulting

@Suite struct ContainerTests {
    private let system = SyntheticBackup.system
    private let name: ObjectName = "r/test/a/0000000001"

    private func makeVault() throws -> (MemoryStore, Vault) {
        let store = MemoryStore()
        return (store, try SyntheticBackup.makeVault(store))
    }

    private func open(_ vault: Vault) throws -> SealedObjectReader {
        try SealedObjectReader(vault, name, kinds: [.record], system: nil)
    }

    @Test func `frames come back by number, large and empty ones too`() throws {
        let (store, vault) = try makeVault()
        var random = SeededRandom(stream: "frames")
        let frames: [[UInt8]] = [
            [], [1], random.bytes(200_000), [UInt8](repeating: 0, count: 4 << 20),
        ]
        let writer = try SealedObjectWriter(
            vault,
            name: name,
            kind: .record,
            system: nil,
            into: try store.create(name, visible: false),
            isDigested: true
        )
        for frame in frames { try writer.append(.attachment, frame) }
        let summary = try writer.seal(payload: [7, 8])
        #expect(store.peek(name) == nil)
        #expect(try writer.publish())
        #expect(store.peek(name)?.count == Int(summary.size))
        let reader = try open(vault)
        #expect(reader.payload == [7, 8])
        for number in frames.indices.reversed() {
            #expect(try reader.read(number) == frames[number])
        }
        #expect(throws: PgkeepError.self) { try reader.read(4) }
        let shared = SealedObjectReader(vault, sharing: reader.object)
        #expect(try shared.read(2) == frames[2])
    }

    @Test func `objects of a newer format are refused as such`() throws {
        let (store, vault) = try makeVault()
        let bytes = try Sealed.encode(
            vault,
            name,
            kind: .record,
            system: nil,
            frames: [(.info, [1, 2, 3])]
        )
        store.overwrite(name, with: bytes)
        // Version, object kind, key purpose with a wrapping mode: all in the clear header.
        for (offset, value) in [(8, UInt8(2)), (10, 99), (11, 0x13)] {
            var newer = bytes
            newer[offset] = value
            store.overwrite(name, with: newer)
            let error = #expect(throws: PgkeepError.self) { try open(vault) }
            #expect(error?.code == .vaultVersion)
        }
    }

    @Test func `an object sealed for another instance, kind or name does not open`() throws {
        let (store, vault) = try makeVault()
        func put(
            _ sealedName: ObjectName,
            _ kind: ObjectKind,
            _ sealedSystem: SystemIdentifier?
        ) throws {
            store.overwrite(
                name,
                with: try Sealed.encode(
                    vault,
                    sealedName,
                    kind: kind,
                    system: sealedSystem,
                    frames: [(.info, [1])]
                )
            )
        }
        try put(name, .record, nil)
        #expect(try open(vault).read(0) == [1])
        try put(name, .record, system)
        #expect(throws: PgkeepError.self) { try open(vault) }
        try put(name, .claim, nil)
        #expect(throws: PgkeepError.self) { try open(vault) }
        try put("r/test/a/0000000002", .record, nil)
        #expect(throws: PgkeepError.self) { try open(vault) }
        let stranger = try SyntheticBackup.makeVault()
        store.overwrite(
            name,
            with: try Sealed.encode(
                stranger,
                name,
                kind: .record,
                system: nil,
                frames: [(.info, [1])]
            )
        )
        #expect(throws: PgkeepError.self) { try open(vault) }
    }

    @Test func `a growing object is read up to its last whole frame`() throws {
        let (store, vault) = try makeVault()
        let writer = try SealedObjectWriter(
            vault,
            name: name,
            kind: .record,
            system: nil,
            into: try store.create(name, visible: true)
        )
        try writer.append(.wal, [1, 2])
        try writer.sync()
        let reader = try SalvageReader(vault, name, kinds: [.record], system: nil)
        #expect(try reader.next()?.bytes == [1, 2])
        #expect(try reader.next() == nil)
        try writer.append(.wal, [UInt8](repeating: 5, count: 1000))
        try writer.sync()
        store.truncate(name, to: Int(writer.length) - 1)
        #expect(try reader.next() == nil)
        #expect(!reader.reachedDirectory)
        #expect(reader.number == 1)
    }

    @Test func `the same bytes never look the same twice`() throws {
        let (_, vault) = try makeVault()
        let frames: [(kind: FrameKind, bytes: [UInt8])] = [
            (.info, [UInt8](repeating: 4, count: 64))
        ]
        let first = try Sealed.encode(vault, name, kind: .record, system: nil, frames: frames)
        let second = try Sealed.encode(vault, name, kind: .record, system: nil, frames: frames)
        #expect(first.count == second.count)
        #expect(first[64...] != second[64...])
    }
}
