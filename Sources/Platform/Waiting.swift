/// Runs an asynchronous body to its end while this thread waits.
///
/// For the main thread and threads of our own: one of the cooperative pool must never wait.
/// - Parameter token: cancels the body's task when it is cancelled; what the body then throws is
///   thrown on.
public func waiting<Result: Sendable>(
    cancelledBy token: CancellationToken? = nil,
    _ body: @escaping @Sendable () async throws -> Result
) throws -> Result {
    let outcome = Condition<Swift.Result<Result, any Error>?>(nil)
    let task = Task.detached {
        do {
            let result = try await body()
            outcome.change { $0 = .success(result) }
        } catch {
            outcome.change { $0 = .failure(error) }
        }
    }
    let wait = { try outcome.wait { $0 }.get() }
    guard let token else { return try wait() }
    return try token.whileCancellable({ task.cancel() }, wait)
}
