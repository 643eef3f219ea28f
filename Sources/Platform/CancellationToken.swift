public import Domain

/// The operator's wish to stop, seen by every thread of a job.
///
/// Blocking calls cannot look at a flag, so they register an action (close a channel, PQcancel)
/// that runs once, on the thread that cancels.
public final class CancellationToken: Sendable {
    private struct State {
        var reason: String?
        var next = 0
        var actions: [Int: @Sendable () -> Void] = [:]
    }
    private let state = Condition(State())

    /// A token nobody has cancelled.
    public init() {}

    /// Cancels: the first reason stays; actions run now, on this thread.
    public func cancel(_ reason: String = "interrupted") {
        let actions = state.change { state -> [@Sendable () -> Void] in
            guard state.reason == nil else { return [] }
            state.reason = reason
            defer { state.actions = [:] }
            return Array(state.actions.values)
        }
        for action in actions { action() }
    }

    /// True once cancelled.
    public var isCancelled: Bool { state.read { $0.reason != nil } }

    /// The error a cancelled job ends with.
    public var error: PgkeepError {
        PgkeepError(.cancelled, state.read { $0.reason } ?? "interrupted")
    }

    /// Throws when cancelled.
    public func check() throws(PgkeepError) {
        if isCancelled { throw error }
    }

    /// Runs `body`; when the token is cancelled before it ends, `action` runs once (at once when it
    /// is cancelled already). `action` must be safe to run on any thread.
    public func whileCancellable<Result>(
        _ action: @escaping @Sendable () -> Void,
        _ body: () throws -> Result
    ) rethrows -> Result {
        let number: Int? = state.change { state in
            guard state.reason == nil else { return nil }
            state.next += 1
            state.actions[state.next] = action
            return state.next
        }
        if number == nil { action() }
        defer {
            if let number { state.change { state in state.actions[number] = nil } }
        }
        return try body()
    }

    /// Waits `seconds` or until cancelled; true when cancelled.
    public func sleep(seconds: Double) -> Bool {
        state.wait(seconds: seconds) { $0.reason == nil ? nil : true } ?? false
    }
}
