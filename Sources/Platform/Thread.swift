internal import CPlatform
internal import Glibc

/// A named operating-system thread that runs one body and is joined for its result.
///
/// The data plane runs on these; Swift's cooperative pool never sees a blocking call.
public final class Thread<Result: Sendable>: @unchecked Sendable {
    private let outcome = Condition<Swift.Result<Result, any Error>?>(nil)

    /// Starts a thread. `name` is cut to 15 characters, as the kernel does.
    public init(_ name: String, _ body: @escaping @Sendable () throws -> Result) {
        let start = ThreadStart(name: name) { [outcome] in
            let result = Swift.Result { try body() }
            outcome.change { $0 = result }
        }
        start.launch()
    }

    /// Waits for the end and returns or throws what the body did.
    public func join() throws -> Result {
        try outcome.wait { $0 }.get()
    }

    /// The outcome when the body has ended, nil while it runs.
    public var result: Swift.Result<Result, any Error>? { outcome.read { $0 } }
}

private final class ThreadStart {
    let name: String
    let body: () -> Void

    init(name: String, body: @escaping () -> Void) {
        self.name = name
        self.body = body
    }

    func launch() {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, 1 << 20)
        defer { pthread_attr_destroy(&attributes) }
        var thread = pthread_t()
        let result = pthread_create(
            &thread,
            &attributes,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue()
                pgkeep_name_thread(start.name)
                start.body()
                return nil
            },
            Unmanaged.passRetained(self).toOpaque()
        )
        precondition(result == 0, "pthread_create failed with \(result)")
    }
}

/// Runs a blocking body on a thread of its own and suspends the caller until it ends.
public func onThread<Result: Sendable>(
    _ name: String,
    _ body: @escaping @Sendable () throws -> Result
) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        ThreadStart(name: name) {
            continuation.resume(with: Swift.Result { try body() })
        }.launch()
    }
}
