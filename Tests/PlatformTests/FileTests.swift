import Domain
private import Glibc
import Platform
import TestSupport
import Testing

/// Files and directories: exact bytes, atomic replacement, errors that name the path.
struct FileTests {
    private func write(_ file: File, _ text: String, at offset: UInt64 = 0) throws {
        try Array(text.utf8).withUnsafeBytes { try file.write($0, at: offset) }
    }

    private func text(_ path: String) throws -> String {
        String(decoding: try FileSystem.readFile(path), as: UTF8.self)
    }

    private func code(_ body: () throws -> Void) -> PgkeepError? {
        do { try body() } catch { return error as? PgkeepError }
        return nil
    }

    private func link(_ target: String, at path: String) throws {
        guard symlink(target, path) == 0 else { throw PgkeepError.system("link", path) }
    }

    @Test func `positioned reads and writes meet in the same bytes`() throws {
        try ScratchDirectory.with { scratch in
            let path = scratch.file("data")
            let file = try File(path, .create(0o600))
            try write(file, "hello")
            try write(file, "world", at: 7)
            #expect(try file.size() == 12)
            var buffer = [UInt8](repeating: 1, count: 20)
            let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0, at: 3) }
            #expect(count == 9, "the end of the file is the end of the read")
            #expect(Array(buffer[..<9]) == Array("lo\0\0world".utf8))
            try file.truncate(to: 4)
            try file.syncData()
            try file.sync()
            try file.close()
            #expect(try text(path) == "hell")
            #expect(try FileSystem.info(path)?.mode == 0o600)
            #expect(code { _ = try File(path, .create(0o600)) }?.message.contains(path) == true)
            try File(path, .replace(0o600)).close()
            #expect(try FileSystem.info(path)?.size == 0)
            try write(try File(path, .update), "again")
            #expect(try text(path) == "again")
        }
    }

    @Test func `a lock is held by one descriptor at a time and ends with it`() throws {
        try ScratchDirectory.with { scratch in
            let path = scratch.file("lock")
            let first = try File(path, .replace(0o600))
            let second = try File(path, .update)
            #expect(try first.tryLock())
            #expect(try !second.tryLock())
            try first.close()
            #expect(try second.tryLock())
        }
    }

    @Test func `a file written atomically is the old one or the new one, never a mixture`() throws {
        try ScratchDirectory.with { scratch in
            let path = scratch.file("record")
            let sizes = [1, 100_000]
            try FileSystem.writeAtomically(path, [UInt8](repeating: 0, count: sizes[0]))
            let writer = Thread("writer") {
                for round in 1...200 {
                    let value = UInt8(round % 2)
                    try FileSystem.writeAtomically(
                        path,
                        [UInt8](repeating: value, count: sizes[Int(value)])
                    )
                }
            }
            while writer.result == nil {
                let bytes = try FileSystem.readFile(path)
                guard let first = bytes.first else {
                    Issue.record("an empty file was seen")
                    break
                }
                #expect(bytes.count == sizes[Int(first)] && bytes.allSatisfy { $0 == first })
            }
            try writer.join()
            #expect(try FileSystem.list(scratch.path) == ["record"], "nothing temporary stays")
            #expect(try FileSystem.info(path)?.mode == 0o600)
            let bad = scratch.file("missing/record")
            #expect(code { try FileSystem.writeAtomically(bad, [1]) } != nil)
        }
    }

    @Test func `a failed atomic write leaves the old file and no other`() throws {
        try ScratchDirectory.with { scratch in
            let path = scratch.file("taken")
            try FileSystem.makeDirectories(path + "/inside")
            #expect(code { try FileSystem.writeAtomically(path, [1]) } != nil)
            #expect(try FileSystem.list(scratch.path) == ["taken"])
        }
    }

    @Test func `trees are made and removed without following links`() throws {
        try ScratchDirectory.with { scratch in
            let kept = scratch.file("kept")
            try FileSystem.writeAtomically(kept, [1])
            let tree = scratch.file("a")
            try FileSystem.makeDirectories(tree + "/b/c")
            try FileSystem.makeDirectories(tree + "/b/c")
            try FileSystem.writeAtomically(tree + "/b/file", [])
            try FileSystem.rename(tree + "/b/file", to: tree + "/b/other")
            #expect(try FileSystem.list(tree + "/b") == ["c", "other"])
            #expect(try FileSystem.list(scratch.file("none")) == nil)
            #expect(try FileSystem.info(tree)?.kind == .directory)
            #expect(try FileSystem.info(scratch.file("none")) == nil)
            #expect(try FileSystem.removeFile(tree + "/b/other"))
            #expect(try !FileSystem.removeFile(tree + "/b/other"))
            try link(scratch.path, at: tree + "/b/up")
            #expect(try FileSystem.info(tree + "/b/up")?.kind == .link)
            #expect(try FileSystem.info(tree + "/b/up", followLinks: true)?.kind == .directory)
            #expect(FileSystem.resolved(tree + "/b/up") == FileSystem.resolved(scratch.path))
            try FileSystem.removeTree(tree)
            try FileSystem.removeTree(tree)
            #expect(try FileSystem.info(tree) == nil)
            #expect(try FileSystem.readFile(kept) == [1], "what a link leads to stays")
        }
    }

    @Test func `paths are taken apart as the system does`() {
        #expect(FileSystem.parent(of: "/a/b") == "/a" && FileSystem.parent(of: "/a") == "/")
        #expect(FileSystem.parent(of: "a") == nil && FileSystem.absolute("/x") == "/x")
        #expect(FileSystem.absolute("x").hasPrefix("/"))
    }

    @Test func `renaming exclusively never replaces`() throws {
        try ScratchDirectory.with { scratch in
            let (from, to) = (scratch.file("from"), scratch.file("to"))
            try FileSystem.writeAtomically(from, [1])
            #expect(try FileSystem.renameExclusively(from, to: to))
            try FileSystem.writeAtomically(from, [2])
            #expect(try !FileSystem.renameExclusively(from, to: to))
            #expect(try FileSystem.readFile(to) == [1] && FileSystem.readFile(from) == [2])
        }
    }

    @Test func `files that do not tell their size are read whole, and limits hold`() throws {
        #expect(try FileSystem.readFile("/proc/self/status").count > 100)
        try ScratchDirectory.with { scratch in
            let path = scratch.file("big")
            try FileSystem.writeAtomically(path, [UInt8](repeating: 3, count: 5000))
            #expect(try FileSystem.readFile(path, limit: 5000).count == 5000)
            #expect(code { _ = try FileSystem.readFile(path, limit: 4999) }?.code == .usage)
        }
    }

    @Test func `a system error says what failed on what and what to do`() throws {
        let missing = try #require(code { _ = try File("/nowhere/at/all", .read) })
        #expect(missing.message == "open /nowhere/at/all: No such file or directory")
        #expect(missing.systemNumber == 2 && missing.code == .system)
        let full = PgkeepError.system("write", "/vault/x", errno: 28)
        #expect(full.code == .storeFull && full.hint.contains("free space"))
        let outer = PgkeepError(.unexpected, "backup failed", cause: full)
        #expect(outer.systemNumber == 28 && outer.description.hasPrefix("backup failed: write"))
        let space = try FileSystem.space("/")
        #expect(space.total >= space.free && space.total > 0)
    }
}
