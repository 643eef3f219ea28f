import Domain
import Platform
import Storage
import TestSupport
import Testing

/// The tests' own store: its faults and power cuts do what they promise.
@Suite struct MemoryStoreTests {
    let store = MemoryStore()

    func expectError(_ code: ErrorCode, _ body: () throws -> Void) {
        let error = #expect(throws: PgkeepError.self) { try body() }
        #expect(error?.code == code)
    }

    @Test func `a refused operation has no effect, a lost answer has all of it`() throws {
        store.failOnce(.refuse) { $0.operation == .put }
        expectError(.storeUnreachable) { try store.put("a", [1]) }
        #expect(try store.head("a") == nil)
        try store.put("a", [1])

        store.failOnce(.loseAnswer) { $0.operation == .putIfAbsent }
        expectError(.storeUnreachable) { _ = try store.putIfAbsent("b", [2]) }
        #expect(try store.get("b") == [2])
        #expect(try !store.putIfAbsent("b", [2]))
    }

    @Test func `the nth matching operation fails, and only it`() throws {
        store.failOnce(after: 2, .full) { $0.changes }
        try store.put("a", [1])
        _ = try store.get("a")
        try store.put("b", [1])
        expectError(.storeFull) { try store.put("c", [1]) }
        try store.put("d", [1])
        #expect(store.names == ["a", "b", "d"])
        #expect(store.calls.map(\.operation) == [.put, .get, .put, .put, .put])
        #expect(store.calls.map(\.number) == [1, 2, 3, 4, 5])
    }

    @Test func `a short write leaves a beginning and a dead writer`() throws {
        let journal = try store.create("j", visible: true)
        try journal.append("abc")
        store.failOnce(.shortWrite(2)) { $0.operation == .append }
        expectError(.storeFull) { try journal.append("defg") }
        #expect(store.peek("j") == Array("abcde".utf8))
        expectError(.storeFull) { try journal.sync() }
        expectError(.storeFull) { _ = try journal.publish(as: "k") }
        try journal.discard()
        #expect(store.names == [])
    }

    @Test func `a power cut keeps what was durable`() throws {
        try store.put("a", [1])
        let unsynced = try store.create("unsynced", visible: true)
        try unsynced.append("x")
        let journal = try store.create("journal", visible: true)
        try journal.append("durable")
        try journal.sync()
        try journal.append("torn")
        let hidden = try store.create("hidden", visible: false)
        try hidden.append("x")
        try hidden.sync()
        store.crash { _, unsynced in unsynced / 2 }
        #expect(store.names == ["a", "journal"])
        #expect(store.peek("journal") == Array("durableto".utf8))
        for writer in [unsynced, journal, hidden] {
            expectError(.storeUnreachable) { try writer.append("y") }
        }
    }

    @Test func `a fault plan may let another process act in between`() throws {
        let store = store
        store.setFaults { call in
            guard call.operation == .publish else { return nil }
            store.setFaults(nil)
            try? store.put("c", [9])
            return nil
        }
        let writer = try store.create("c", visible: false)
        try writer.append("x")
        #expect(try !writer.publish(as: "c"))
        #expect(try store.get("c") == [9])
    }

    @Test func `damage is done as asked`() throws {
        try store.put("a", [1, 2, 3])
        store.corrupt("a", at: 1)
        #expect(try store.get("a") == [1, 0xfd, 3])
        store.truncate("a", to: 1)
        #expect(try store.get("a") == [1])
        store.overwrite("a", with: [7, 7])
        #expect(try store.get("a") == [7, 7])
        store.lose("a")
        expectError(.notFound) { _ = try store.get("a") }
    }
}
