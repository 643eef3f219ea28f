import Domain
import Storage
import TestSupport
import Testing

/// The contract of `ObjectWriter`, for every kind of store.
@Suite struct ObjectWriterSuite {
    @Test(arguments: StoreKind.allCases)
    func `a hidden object appears whole when published`(kind: StoreKind) throws {
        try kind.with { store in
            let writer = try store.create("c/pack/1", visible: false)
            try writer.append("hello ")
            try writer.sync()
            try writer.append("world")
            #expect(writer.length == 11)
            #expect(try store.list(prefix: "").isEmpty)
            #expect(try store.head("c/pack/1") == nil)
            #expect(try writer.publish(as: "c/pack/1"))
            #expect(try store.get("c/pack/1") == Array("hello world".utf8))
            try writer.discard()
            #expect(try store.head("c/pack/1")?.size == 11)
        }
    }

    @Test(arguments: StoreKind.allCases)
    func `a published object larger than any buffer comes back`(kind: StoreKind) throws {
        try kind.with { store in
            var random = SeededRandom(stream: "large")
            let block = random.bytes(123_457)
            let writer = try store.create("big", visible: false)
            for _ in 0..<100 { try writer.append(block) }
            #expect(try writer.publish(as: "big"))
            #expect(try store.head("big")?.size == 12_345_700)
            #expect(try part(store, "big", 12_222_243..<12_345_700) == block)
        }
    }

    @Test(arguments: StoreKind.allCases)
    func `publishing under a taken name changes nothing and may be tried elsewhere`(
        kind: StoreKind
    ) throws {
        try kind.with { store in
            try store.put("c/wal/1", [9])
            for visible in [false, true] {
                let writer = try store.create("c/wal/1.journal", visible: visible)
                try writer.append("divergent")
                #expect(try !writer.publish(as: "c/wal/1"))
                #expect(try store.get("c/wal/1") == [9])
                #expect(try (store.head("c/wal/1.journal") != nil) == visible)
                #expect(try writer.publish(as: "c/wal/1.alt"))
                #expect(try store.get("c/wal/1.alt") == Array("divergent".utf8))
                #expect(try store.head("c/wal/1.journal") == nil)
                try store.delete("c/wal/1.alt")
            }
        }
    }

    @Test(arguments: StoreKind.allCases)
    func `discarding leaves nothing`(kind: StoreKind) throws {
        try kind.with { store in
            for visible in [false, true] {
                let writer = try store.create("c/wal/1.journal", visible: visible)
                try writer.append("x")
                try writer.discard()
                try writer.discard()
                #expect(try store.list(prefix: "").isEmpty)
            }
            // Somebody else removed the journal already.
            let writer = try store.create("c/wal/1.journal", visible: true)
            try store.delete("c/wal/1.journal")
            try writer.discard()
        }
    }

    @Test(arguments: StoreKind.allCases)
    func `a journal is read by others while it grows`(kind: StoreKind) throws {
        try kind.with { store in
            let journal = try store.create("c/wal/1.journal", visible: true)
            #expect(try store.list(prefix: "c/wal/").map(\.name) == ["c/wal/1.journal"])
            #expect(try store.get("c/wal/1.journal").isEmpty)
            var expected: [UInt8] = []
            for round in 0..<20 {
                let bytes = [UInt8](repeating: UInt8(round), count: 1000 * round)
                try journal.append(bytes)
                expected += bytes
                if round % 3 == 0 { try journal.sync() }
                #expect(try store.get("c/wal/1.journal") == expected)
                #expect(try store.head("c/wal/1.journal")?.size == UInt64(expected.count))
                #expect(journal.length == UInt64(expected.count))
            }
            #expect(try journal.publish(as: "c/wal/1"))
            #expect(try store.list(prefix: "").map(\.name) == ["c/wal/1"])
            #expect(try store.get("c/wal/1") == expected)
        }
    }

    @Test(arguments: StoreKind.allCases)
    func `a journal may keep its name, and a taken name is no journal's`(kind: StoreKind) throws {
        try kind.with { store in
            let journal = try store.create("c/wal/1", visible: true)
            try journal.append("x")
            let error = #expect(throws: PgkeepError.self) {
                try store.create("c/wal/1", visible: true)
            }
            #expect(error?.code == .exists)
            #expect(try !store.putIfAbsent("c/wal/1", [1]))
            #expect(try journal.publish(as: "c/wal/1"))
            #expect(try store.get("c/wal/1") == [120])
        }
    }

    @Test(arguments: StoreKind.allCases)
    func `a writer that is dropped leaves its journal, and nothing else`(kind: StoreKind) throws {
        try kind.with { store in
            for visible in [false, true] {
                let writer = try store.create(ObjectName("c/\(visible)"), visible: visible)
                try writer.append("kept")
                try writer.sync()
            }
            #expect(try store.list(prefix: "").map(\.name) == ["c/true"])
            #expect(try store.get("c/true") == Array("kept".utf8))
        }
    }
}
