import Domain
import Platform
import Storage
import TestSupport
import Testing

/// The kinds of store the contract is held against.
enum StoreKind: String, CaseIterable, Sendable {
    case memory, file

    /// Runs `body` with an empty store.
    func with(_ body: (any ObjectStore) throws -> Void) throws {
        switch self {
        case .memory: try body(MemoryStore())
        case .file:
            try ScratchDirectory.with { try body(try FileStore.create(at: $0.file("vault"))) }
        }
    }
}

/// The part of an object, as an array.
func part(_ store: any ObjectStore, _ name: ObjectName, _ range: Range<UInt64>) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: range.count)
    try bytes.withUnsafeMutableBytes { try store.get(name, range: range, into: $0) }
    return bytes
}

extension ObjectWriter {
    func append(_ text: String) throws { try append(Array(text.utf8)) }
    func append(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try append($0) } }
}

/// The contract of `ObjectStore`: whatever stores objects passes this.
@Suite struct ObjectStoreSuite {
    @Test(arguments: StoreKind.allCases)
    func `an object comes back whole and in parts`(kind: StoreKind) throws {
        try kind.with { store in
            let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            try store.put("c/a/pack/1", bytes)
            #expect(try store.get("c/a/pack/1") == bytes)
            #expect(try part(store, "c/a/pack/1", 0..<100_000) == bytes)
            #expect(try part(store, "c/a/pack/1", 4095..<70_001) == Array(bytes[4095..<70_001]))
            #expect(try part(store, "c/a/pack/1", 100_000..<100_000).isEmpty)
            #expect(try store.head("c/a/pack/1")?.size == 100_000)
            try store.put("empty", [])
            #expect(try store.get("empty").isEmpty)
            #expect(try store.head("empty")?.size == 0)
        }
    }

    @Test(arguments: StoreKind.allCases)
    func `a part beyond the end is an integrity error`(kind: StoreKind) throws {
        try kind.with { store in
            try store.put("a", [1, 2, 3])
            let ranges: [Range<UInt64>] = [0..<4, 2..<5, 3..<4, 10..<11]
            for range in ranges {
                let error = #expect(throws: PgkeepError.self) { try part(store, "a", range) }
                #expect(error?.code == .integrity)
            }
        }
    }

    @Test(arguments: StoreKind.allCases)
    func `put replaces`(kind: StoreKind) throws {
        try kind.with { store in
            try store.put("c/lease", [1, 2, 3])
            try store.put("c/lease", [4])
            #expect(try store.get("c/lease") == [4])
            #expect(try store.list(prefix: "").count == 1)
        }
    }

    @Test(arguments: StoreKind.allCases)
    func `what is absent is said to be absent`(kind: StoreKind) throws {
        try kind.with { store in
            try store.put("c/a", [1])
            let absent: [ObjectName] = ["b", "c/b", "c/a/b", "d/e/f"]
            for name in absent {
                let whole = #expect(throws: PgkeepError.self) { try store.get(name) }
                #expect(whole?.code == .notFound)
                let some = #expect(throws: PgkeepError.self) { try part(store, name, 0..<1) }
                #expect(some?.code == .notFound)
                #expect(try store.head(name) == nil)
                try store.delete(name)
            }
            #expect(try store.head("c") == nil)
            #expect(try store.get("c/a") == [1])
        }
    }

    @Test(arguments: StoreKind.allCases)
    func `put-if-absent creates once and never replaces`(kind: StoreKind) throws {
        try kind.with { store in
            #expect(try store.putIfAbsent("c/rp/1", [1]))
            #expect(try !store.putIfAbsent("c/rp/1", [2]))
            #expect(try !store.putIfAbsent("c/rp/1", [1]))
            #expect(try store.get("c/rp/1") == [1])
            try store.delete("c/rp/1")
            #expect(try store.putIfAbsent("c/rp/1", [3]))
            #expect(try store.get("c/rp/1") == [3])
        }
    }

    @Test(arguments: StoreKind.allCases)
    func `of 64 racing creators exactly one wins`(kind: StoreKind) throws {
        try kind.with { store in
            for round in 0..<4 {
                // Each round in a directory that does not exist yet, half of them by publishing.
                let name = ObjectName("c/\(round)/rp/point")
                let threads = (0..<64).map { number in
                    Thread<Bool>("racer \(number)") {
                        let bytes = [UInt8](repeating: UInt8(number), count: 1000)
                        guard number % 2 == 0 else { return try store.putIfAbsent(name, bytes) }
                        let writer = try store.create(name, visible: false)
                        try writer.append(bytes)
                        let won = try writer.publish(as: name)
                        if !won { try writer.discard() }
                        return won
                    }
                }
                let outcomes = try threads.map { try $0.join() }
                #expect(outcomes.filter { $0 }.count == 1)
                let winner = outcomes.firstIndex(of: true).map { UInt8($0) }
                #expect(try store.get(name) == [UInt8](repeating: winner ?? 255, count: 1000))
            }
            #expect(try store.list(prefix: "").count == 4)
        }
    }

    @Test(arguments: StoreKind.allCases)
    func `lists are sorted by bytes and cut by any prefix`(kind: StoreKind) throws {
        try kind.with { store in
            // '-' and '.' sort before '/', digits and letters behind it.
            let names: [ObjectName] = [
                "c/a-b", "c/a.b", "c/a/1", "c/a/10", "c/a/2", "c/a/x/y", "c/a0", "c/aB", "c/ab",
                "c/b/1", "vault.json",
            ]
            var random = SeededRandom(stream: "list")
            for name in names.shuffled(using: &random) {
                try store.put(name, Array(name.text.utf8))
            }
            for prefix in [
                "", "c", "c/", "c/a", "c/a/", "c/a/1", "c/a/x", "c/a/x/", "c/b/1", "c/b/1/", "d",
                "v", "c/aB", "/", "../", "c/../c", "c//a", ".", "tmp/", "tmp", "reserve",
            ] {
                let listed = try store.list(prefix: prefix)
                let expected = names.filter { $0.text.hasPrefix(prefix) }
                #expect(listed.map(\.name) == expected, "\(prefix)")
                #expect(listed.allSatisfy { $0.size == UInt64($0.name.text.utf8.count) })
            }
        }
    }

    @Test(arguments: StoreKind.allCases)
    func `a deleted object is gone`(kind: StoreKind) throws {
        try kind.with { store in
            try store.put("c/a/1", [1])
            try store.put("c/a/2", [2])
            try store.delete("c/a/1")
            #expect(try store.list(prefix: "").map(\.name) == ["c/a/2"])
            try store.delete("c/a/2")
            try store.delete("c/a/2")
            #expect(try store.list(prefix: "").isEmpty)
            try store.put("c/a/2", [3])
            #expect(try store.get("c/a/2") == [3])
        }
    }

    @Test(arguments: StoreKind.allCases)
    func `times and room are told`(kind: StoreKind) throws {
        try kind.with { store in
            let before = SystemClock().now.adding(seconds: -2)
            try store.put("a", [1])
            let modified = try #require(try store.head("a")).modified
            #expect(modified > before && modified < before.adding(seconds: 600))
            let space = try #require(try store.space())
            #expect(space.freeBytes > 0 && space.freeBytes <= space.totalBytes)
            #expect(!store.location.isEmpty)
        }
    }

    @Test(arguments: StoreKind.allCases)
    func `creating and deleting in one directory at once disturbs nobody`(kind: StoreKind) throws {
        try kind.with { store in
            let threads = (0..<8).map { number in
                Thread<Int>("churn \(number)") {
                    var good = 0
                    for round in 0..<18 {
                        let name = ObjectName("c/x/lease/\(number)")
                        let bytes = [UInt8(round)]
                        switch round % 3 {
                        case 0: try store.put(name, bytes)
                        case 1: _ = try store.putIfAbsent(name, bytes)
                        default:
                            let journal = try store.create(name, visible: true)
                            try journal.append(bytes)
                            try journal.sync()
                        }
                        if try store.get(name) == bytes { good += 1 }
                        try store.delete(name)
                    }
                    return good
                }
            }
            let good = try threads.map { try $0.join() }
            #expect(good == [Int](repeating: 18, count: 8))
            #expect(try store.list(prefix: "").isEmpty)
        }
    }
}
