/// A bounded queue between threads: sending waits while it is full, receiving while it is empty.
///
/// `finish` ends it in order: what was sent is still received, then `nil`. `abort` ends it at once
/// with an error that both sides throw; the first error stays.
public final class Channel<Element: ~Copyable & Sendable>: Sendable {
    // Noncopyable elements cannot live in an Array, so each travels in a box that is emptied once.
    private final class Slot: @unchecked Sendable {
        var element: Element?
        init(_ element: consuming Element) { self.element = consume element }
        func take() -> Element {
            guard let taken = element.take() else { preconditionFailure("slot taken twice") }
            return taken
        }
    }

    private let capacity: Int
    private let state: Condition<Box>

    private final class Box {
        var queue: [Slot] = []
        var finished = false
        var failure: (any Error)?
    }

    /// A channel that holds at most `capacity` elements.
    public init(capacity: Int) {
        precondition(capacity > 0)
        self.capacity = capacity
        state = Condition(Box())
    }

    /// Hands `element` over, waiting for room. Throws what `abort` was given.
    public func send(_ element: consuming Element) throws {
        let slot = Slot(element)
        let failure: (any Error)?? = state.wait { box in
            if let failure = box.failure { return .some(failure) }
            precondition(!box.finished, "send after finish")
            guard box.queue.count < self.capacity else { return nil }
            box.queue.append(slot)
            return .some(nil)
        }
        if let failure = failure ?? nil { throw failure }
    }

    /// The next element, waiting for one; nil when finished and empty. Throws what `abort` was
    /// given.
    public func receive() throws -> Element? {
        let next: Result<Slot?, any Error> = state.wait { box in
            if let failure = box.failure { return .failure(failure) }
            if !box.queue.isEmpty { return .success(box.queue.removeFirst()) }
            return box.finished ? .success(nil) : nil
        }
        return try next.get()?.take()
    }

    /// Elements that wait to be received.
    public var count: Int { state.read { $0.queue.count } }

    /// Nothing more will be sent.
    public func finish() { state.change { $0.finished = true } }

    /// Ends both sides with `error` and drops what is queued.
    public func abort(_ error: any Error) {
        state.change { box in
            guard box.failure == nil else { return }
            box.failure = error
            box.queue.removeAll()
        }
    }
}
