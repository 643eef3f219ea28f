import Domain
import Glibc
import Platform
import Storage
import TestSupport
import Testing

/// What is true of the file store alone: its files, a root that vanishes, what crashes leave.
@Suite struct FileStoreTests {
    func withStore(_ body: (FileStore, String) throws -> Void) throws {
        try ScratchDirectory.with { scratch in
            let path = scratch.file("vault")
            try body(try FileStore.create(at: path), path)
        }
    }

    /// All files and directories below `path`.
    func tree(_ path: String) throws -> Set<String> {
        var found: Set<String> = []
        for name in try FileSystem.list(path) ?? [] {
            found.insert(name)
            for below in try tree(path + "/" + name) { found.insert(name + "/" + below) }
        }
        return found
    }

    @Test func `objects are private files under their own names`() throws {
        try withStore { store, path in
            try store.put("c/x/rp/1", [1])
            let journal = try store.create("c/x/wal/1", visible: true)
            try journal.append("x")
            let expected: Set = [
                "tmp", "reserve", "c", "c/x", "c/x/rp", "c/x/rp/1", "c/x/wal", "c/x/wal/1",
            ]
            #expect(try tree(path) == expected)
            for name in ["", "/tmp", "/c", "/c/x", "/c/x/rp"] {
                #expect(try FileSystem.info(path + name)?.mode == 0o700)
            }
            for name in ["/c/x/rp/1", "/c/x/wal/1", "/reserve"] {
                #expect(try FileSystem.info(path + name)?.mode == 0o600)
            }
        }
    }

    @Test func `only an empty or missing directory becomes a store`() throws {
        try ScratchDirectory.with { scratch in
            let path = scratch.file("deep/er/vault")
            _ = try FileStore.create(at: path)
            // An interrupted creation is taken up again.
            let store = try FileStore.create(at: path)
            try store.put("vault.json", [1])
            let error = #expect(throws: PgkeepError.self) { try FileStore.create(at: path) }
            #expect(error?.code == .exists)
            #expect(try FileStore(path).get("vault.json") == [1])
        }
    }

    @Test func `a missing or empty directory is no store`() throws {
        try ScratchDirectory.with { scratch in
            let empty = try scratch.directory("empty")
            try FileSystem.writeAtomically(scratch.file("file"), [1])
            for path in [scratch.file("none"), empty, scratch.file("file")] {
                let error = #expect(throws: PgkeepError.self) { try FileStore(path) }
                #expect(error?.code == .storeUnreachable)
                #expect(error?.hint.isEmpty == false)
            }
            #expect(try FileSystem.list(empty) == [])
        }
    }

    func expectUnreachable(_ store: FileStore) {
        let operations: [(String, () throws -> Void)] = [
            ("put", { try store.put("c/a/2", [1]) }),
            ("putIfAbsent", { _ = try store.putIfAbsent("c/a/2", [1]) }),
            ("get", { _ = try store.get("c/a/1") }), ("get none", { _ = try store.get("c/b") }),
            ("range", { _ = try part(store, "c/a/1", 0..<1) }),
            ("head", { _ = try store.head("c/a/1") }),
            ("list", { _ = try store.list(prefix: "") }),
            ("list below", { _ = try store.list(prefix: "c/a/") }),
            ("delete", { try store.delete("c/a/1") }),
            ("hidden", { _ = try store.create("c/a/2", visible: false) }),
            ("visible", { _ = try store.create("c/a/2", visible: true) }),
            ("visible elsewhere", { _ = try store.create("d/2", visible: true) }),
            ("space", { _ = try store.space() }), ("reserve", { _ = try store.releaseReserve() }),
            ("leftovers", { _ = try store.removeLeftovers(before: SystemClock().now) }),
        ]
        for (name, operation) in operations {
            let error = #expect(throws: PgkeepError.self, "\(name)") { try operation() }
            #expect(error?.code == .storeUnreachable, "\(name)")
            #expect(error?.hint.isEmpty == false, "\(name)")
        }
    }

    @Test func `a root that vanished is never made again nor taken for an empty one`() throws {
        try withStore { store, path in
            try store.put("c/a/1", [1])
            let hidden = try store.create("c/a/2", visible: false)
            let journal = try store.create("c/a/3", visible: true)
            try FileSystem.rename(path, to: path + ".away")
            expectUnreachable(store)
            #expect(try FileSystem.info(path)?.size == nil)
            #expect(throws: PgkeepError.self) { try hidden.publish(as: "c/a/2") }
            #expect(throws: PgkeepError.self) { try journal.publish(as: "c/a/4") }

            // Another directory in its place, as under an unmounted file system.
            try FileSystem.makeDirectory(path)
            expectUnreachable(store)
            #expect(try FileSystem.list(path) == [])
            try FileSystem.removeTree(path)
            try FileSystem.rename(path + ".away", to: path)
            #expect(try store.get("c/a/1") == [1])
        }
    }

    @Test func `what a crash left in tmp is no object and is cleared when nobody holds it`() throws
    {
        try withStore { store, path in
            let living = try store.create("c/a", visible: false)
            try living.append("alive")
            try FileSystem.writeAtomically(path + "/tmp/1-dead", [1, 2, 3])
            #expect(try store.list(prefix: "").isEmpty)
            let now = SystemClock().now
            #expect(try store.removeLeftovers(before: now.adding(seconds: -3600)) == 0)
            #expect(try store.removeLeftovers(before: now.adding(seconds: 3600)) == 1)
            #expect(try FileSystem.list(path + "/tmp")?.count == 1)
            #expect(try living.publish(as: "c/a"))
            #expect(try FileSystem.list(path + "/tmp") == [])
            #expect(try store.get("c/a") == Array("alive".utf8))
        }
    }

    @Test func `files that are no objects are passed over`() throws {
        try withStore { store, path in
            try store.put("c/a", [1])
            for name in ["/.nfs0001", "/c/.hidden", "/c/b c", "/c/b~"] {
                try FileSystem.writeAtomically(path + name, [1])
            }
            #expect(symlink("a", path + "/c/link") == 0)
            #expect(try store.list(prefix: "").map(\.name) == ["c/a"])
        }
    }

    @Test func `a lost reply to link is no conflict`() throws {
        try withStore { store, path in
            let writer = try store.create("c/a", visible: false)
            try writer.append("mine")
            // NFS: the first request was carried out, its answer lost, the second finds the name.
            let temporary = try #require(try FileSystem.list(path + "/tmp")?.first)
            try FileSystem.makeDirectory(path + "/c")
            #expect(link(path + "/tmp/" + temporary, path + "/c/a") == 0)
            #expect(try writer.publish(as: "c/a"))
            #expect(try store.get("c/a") == Array("mine".utf8))
            #expect(try FileSystem.list(path + "/tmp") == [])
        }
    }

    @Test func `a directory in the way of an object is an error, not a loss`() throws {
        try withStore { store, path in
            try store.put("c/a/1", [1])
            let operations: [() throws -> Void] = [
                { try store.put("c/a", [2]) }, { try store.put("c/a/1/2", [2]) },
                { try store.delete("c/a") },
            ]
            for operation in operations {
                let error = #expect(throws: PgkeepError.self) { try operation() }
                #expect(error?.code == .storeUnreachable)
            }
            #expect(try store.get("c/a/1") == [1])
            #expect(try FileSystem.list(path + "/tmp") == [])
        }
    }

    @Test func `a lost tmp directory is made again`() throws {
        try withStore { store, path in
            try store.put("a", [1])
            try FileSystem.removeTree(path + "/tmp")
            try store.put("b", [2])
            #expect(try store.list(prefix: "").count == 2)
        }
    }

    @Test func `emptied directories go away, the root stays`() throws {
        try withStore { store, path in
            try store.put("c/x/pack/1", [1])
            try store.put("c/x/rp/1", [1])
            try store.delete("c/x/pack/1")
            #expect(try tree(path) == ["tmp", "reserve", "c", "c/x", "c/x/rp", "c/x/rp/1"])
            try store.delete("c/x/rp/1")
            #expect(try tree(path) == ["tmp", "reserve"])
        }
    }
}
