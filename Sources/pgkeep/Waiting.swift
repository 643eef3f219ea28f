import Platform

/// Runs an asynchronous body to its end while this thread waits. For the main thread only: a thread
/// of the cooperative pool must never wait.
func waiting<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) throws
    -> Result
{
    let outcome = Condition<Swift.Result<Result, any Error>?>(nil)
    Task.detached {
        do {
            let result = try await body()
            outcome.change { $0 = .success(result) }
        } catch {
            outcome.change { $0 = .failure(error) }
        }
    }
    return try outcome.wait { $0 }.get()
}
