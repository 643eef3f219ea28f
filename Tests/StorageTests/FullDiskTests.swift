import Domain
import Glibc
import Platform
import Storage
import TestSupport
import Testing

/// Small file systems in memory, mounted and unmounted.
private enum Disk {
    static let canMount: Bool = {
        let mounted: Void? = try? ScratchDirectory.with { scratch in
            let path = try scratch.directory("probe")
            try mountTemporary(path, mebibytes: 1)
            umount2(path, 0)
        }
        return mounted != nil
    }()

    static func mountTemporary(_ path: String, mebibytes: Int) throws {
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(mebibytes)m,mode=0700") == 0 else {
            throw PgkeepError.system("mount", path)
        }
    }
}

/// A real file system of a few MiB that runs full. Needs the right to mount one; skipped otherwise.
@Suite(.enabled(if: Disk.canMount, "cannot mount a tmpfs here"))
struct FullDiskTests {
    func withDisk(mebibytes: Int, _ body: (String) throws -> Void) throws {
        try ScratchDirectory.with { scratch in
            let path = try scratch.directory("disk")
            try Disk.mountTemporary(path, mebibytes: mebibytes)
            scratch.atEnd { umount2(path, Int32(MNT_DETACH)) }
            try body(path)
        }
    }

    /// Puts objects of a MiB until the disk is full; returns how many fit.
    func fill(_ store: FileStore) throws -> Int {
        for number in 0..<10_000 {
            do {
                try store.put(
                    ObjectName("fill/\(number)"),
                    [UInt8](repeating: 1, count: 1 << 20)
                )
            } catch let error as PgkeepError {
                #expect(error.code == .storeFull)
                #expect(!error.hint.isEmpty)
                return number
            }
        }
        Issue.record("the disk never ran full")
        return 0
    }

    @Test func `a full disk is told as such and harms nothing`() throws {
        try withDisk(mebibytes: 24) { disk in
            let store = try FileStore.create(at: disk)
            let count = try fill(store)
            #expect(count >= 5)
            #expect(try FileSystem.list(disk + "/tmp") == [])
            #expect(try store.list(prefix: "").count == count)
            for object in try store.list(prefix: "") {
                #expect(try store.get(object.name).count == 1 << 20)
            }
            let tooMuch = [UInt8](repeating: 2, count: 2 << 20)
            let error = #expect(throws: PgkeepError.self) { try store.putIfAbsent("x", tooMuch) }
            #expect(error?.code == .storeFull)
            #expect(try store.head("x") == nil)
            // Deleting needs no room and makes some.
            try store.delete("fill/0")
            try store.put("x", [UInt8](repeating: 2, count: 1 << 20))
        }
    }

    @Test func `the reserve makes a full disk usable once`() throws {
        try withDisk(mebibytes: 60) { disk in
            let store = try FileStore.create(at: disk)
            let full = UInt64(FileStore.reserveBytes)
            #expect(try FileSystem.info(disk + "/reserve")?.size == full)
            _ = try fill(store)
            #expect(try store.releaseReserve())
            #expect(try !store.releaseReserve())
            try store.put("c/gone/1", [UInt8](repeating: 1, count: 8 << 20))
            // Not enough room to take it back, then enough.
            try store.restoreReserve()
            #expect(try FileSystem.info(disk + "/reserve")?.size == nil)
            for object in try store.list(prefix: "fill/") { try store.delete(object.name) }
            try store.restoreReserve()
            #expect(try FileSystem.info(disk + "/reserve")?.size == full)
            try store.restoreReserve()
        }
    }

    @Test func `a store needs room for its reserve`() throws {
        try withDisk(mebibytes: 8) { disk in
            let error = #expect(throws: PgkeepError.self) { try FileStore.create(at: disk) }
            #expect(error?.code == .storeFull)
            let left = try FileSystem.info(disk + "/reserve")
            #expect(left?.size == nil)
        }
    }

    @Test(arguments: [false, true])
    func `a writer that met a full disk is dead but can be discarded`(visible: Bool) throws {
        try withDisk(mebibytes: 20) { disk in
            let store = try FileStore.create(at: disk)
            let writer = try store.create("c/wal/1.journal", visible: visible)
            let block = [UInt8](repeating: 7, count: 1 << 20)
            try writer.append(block)
            try writer.sync()
            let first = #expect(throws: PgkeepError.self) {
                for _ in 0..<20 { try writer.append(block) }
            }
            #expect(first?.code == .storeFull)
            _ = try store.releaseReserve()
            // Room again, but nobody knows which bytes arrived.
            let operations: [() throws -> Void] = [
                { try writer.append([1]) }, { try writer.sync() },
                { _ = try writer.publish(as: "c/wal/1") },
            ]
            for operation in operations {
                let error = #expect(throws: PgkeepError.self) { try operation() }
                #expect(error?.message == first?.message)
            }
            if visible {
                // What was durable before can still be read from the journal.
                #expect(try part(store, "c/wal/1.journal", 0..<1 << 20) == block)
            }
            try writer.discard()
            #expect(try store.list(prefix: "").isEmpty)
            #expect(try FileSystem.list(disk + "/tmp") == [])
        }
    }

    @Test func `an unmounted vault is unreachable, not empty`() throws {
        try withDisk(mebibytes: 24) { disk in
            let store = try FileStore.create(at: disk)
            try store.put("c/a", [1])
            #expect(umount2(disk, Int32(MNT_DETACH)) == 0)
            let operations: [() throws -> Void] = [
                { _ = try store.get("c/a") }, { _ = try store.head("c/a") },
                { _ = try store.list(prefix: "") }, { try store.put("c/b", [2]) },
                { _ = try store.putIfAbsent("d/b", [2]) }, { try store.delete("c/a") },
                { _ = try store.create("c/j", visible: true) }, { _ = try FileStore(disk) },
            ]
            for operation in operations {
                let error = #expect(throws: PgkeepError.self) { try operation() }
                #expect(error?.code == .storeUnreachable)
            }
            #expect(try FileSystem.list(disk) == [])
        }
    }
}
