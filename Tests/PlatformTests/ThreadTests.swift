import Domain
import Platform
import TestSupport
import Testing

/// Threads, conditions and the wish to stop.
struct ThreadTests {
    private struct Broken: Error, Equatable {}

    @Test func `joining returns what the body returned, or throws what it threw`() throws {
        let thread = Thread("a name that is much too long") { () -> String in
            String(decoding: try FileSystem.readFile("/proc/thread-self/comm"), as: UTF8.self)
        }
        #expect(try thread.join() == "a name that is \n")
        #expect(try thread.result?.get() == "a name that is \n", "joining again is allowed")
        let failing = Thread<Int>("failing") { throw Broken() }
        #expect(throws: Broken()) { try failing.join() }
    }

    @Test func `a blocking body does not hold its async caller's thread`() async throws {
        let value = try await onThread("blocking") { 42 }
        #expect(value == 42)
        await #expect(throws: Broken()) { try await onThread("blocking") { throw Broken() } }
    }

    @Test func `waiting ends when the value fits, or when the time is over`() throws {
        let clock = SystemClock()
        let condition = Condition(0)
        let begin = clock.monotonicSeconds
        #expect(condition.wait(seconds: 0.05) { $0 > 0 ? true : nil } == nil)
        #expect(clock.monotonicSeconds - begin >= 0.05)
        #expect(condition.wait(seconds: 0) { $0 == 0 ? "now" : nil } == "now")
        let waiter = Thread("waiter") { condition.wait(seconds: 600) { $0 == 3 ? $0 : nil } }
        for _ in 0..<3 { condition.change { $0 += 1 } }
        #expect(try waiter.join() == 3)
    }

    @Test func `a change of many threads counts every one`() throws {
        let condition = Condition(0)
        let threads = (0..<8).map { number in
            Thread("count \(number)") { for _ in 0..<1000 { condition.change { $0 += 1 } } }
        }
        for thread in threads { try thread.join() }
        #expect(condition.read { $0 } == 8000)
    }

    @Test func `cancelling keeps the first reason and wakes a sleeper`() throws {
        let token = CancellationToken()
        try token.check()
        #expect(!token.sleep(seconds: 0.01))
        let sleeper = Thread("sleeper") { token.sleep(seconds: 600) }
        token.cancel("interrupted")
        token.cancel("later")
        #expect(try sleeper.join())
        #expect(token.isCancelled && token.error.message == "interrupted")
        #expect(token.error.code.exit == .cancelled)
        #expect(throws: PgkeepError.self) { try token.check() }
    }

    @Test func `cancelling breaks a blocking call by its action, exactly once`() throws {
        let token = CancellationToken()
        let channel = Channel<Int>(capacity: 1)
        let calls = Condition(0)
        let began = Condition(false)
        let blocked = Thread("blocked") {
            try token.whileCancellable({
                calls.change { $0 += 1 }
                channel.abort(token.error)
            }) { () -> Int? in
                began.change { $0 = true }
                return try channel.receive()
            }
        }
        _ = began.wait { $0 ? true : nil }
        token.cancel()
        token.cancel()
        #expect(throws: PgkeepError.self) { try blocked.join() }
        #expect(calls.read { $0 } == 1)

        // Cancelled before it begins: the action runs at once. After the end: never.
        token.whileCancellable({ calls.change { $0 += 1 } }) {}
        #expect(calls.read { $0 } == 2)
        let other = CancellationToken()
        other.whileCancellable({ calls.change { $0 += 1 } }) {}
        other.cancel()
        #expect(calls.read { $0 } == 2)
    }

    @Test func `the clocks tell today's time and never run back`() {
        let clock = SystemClock()
        #expect(clock.now > Timestamp(seconds: 1_750_000_000))
        let first = clock.monotonicSeconds
        #expect(clock.monotonicSeconds >= first)
    }
}
