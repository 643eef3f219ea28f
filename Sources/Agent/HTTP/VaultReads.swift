import Domain
import Engine
import Platform

/// Reads the vault for requests: on threads of its own, few at a time, and each thing once for all
/// who ask within a few seconds.
///
/// What is older is read anew; whoever asks while that takes long gets what was read last, marked
/// as stale, for some minutes. A read that fails leaves nothing behind: nobody is told what was
/// true when the vault could still be read.
actor VaultReads {
    /// What was read, as text.
    struct Answer: Sendable {
        var text: String
        /// When the read began.
        var readAt: Timestamp
        /// Seconds since then.
        var age: Double
        /// True when it is older than what is given without reading anew.
        var isStale: Bool
    }

    /// A read: a text made from what the vault holds.
    typealias Read = @Sendable (JobContext) throws -> String

    /// Seconds for which an answer is given without reading anew.
    static let freshSeconds = 3.0
    /// Seconds for which it is given while a new read is at work.
    static let keptSeconds = 300.0
    /// Seconds a new read is waited for when there is an older answer.
    static let promptSeconds = 0.025
    /// Reads at a time.
    static let readsMax = 3
    /// Answers and bytes of them that are kept.
    static let answersMax = 64
    static let bytesMax = 8 << 20

    private struct Kept {
        var text: String
        var readAt: Timestamp
        var monotonic: Double
    }

    private struct Flight {
        var read: Read
        var isRunning = false
        var waiters: [Int: CheckedContinuation<Result<Kept, any Error>?, Never>] = [:]
    }

    private let vault: SharedVault
    private let clock: any Clock
    private var kept: [String: Kept] = [:]
    private var flights: [String: Flight] = [:]
    private var queue: [String] = []
    private var lastWaiter = 0

    init(_ vault: SharedVault, clock: any Clock) {
        self.vault = vault
        self.clock = clock
    }

    /// The answer to `question`, which names what `read` reads.
    ///
    /// Throws what the read does, and `.storeUnreachable` when it takes longer than `patience`
    /// seconds.
    func answer(
        _ question: String,
        patience: Double = 20,
        _ read: @escaping Read
    ) async throws -> Answer {
        let old = kept[question]
        if let old, age(old) < Self.freshSeconds { return answer(old, isStale: false) }
        let usable = old.flatMap { age($0) < Self.keptSeconds ? $0 : nil }
        start(question, read)
        let result = await wait(
            for: question,
            seconds: usable == nil ? patience : Self.promptSeconds
        )
        if let result { return answer(try result.get(), isStale: false) }
        if let usable { return answer(usable, isStale: true) }
        throw PgkeepError(
            .storeUnreachable,
            "the vault was not read within \(Int(patience)) s",
            hint: "look whether its storage answers: pgkeep doctor"
        )
    }

    /// Changes something in the vault; what was read before is read anew after that.
    func write<Result: Sendable>(
        _ body: @escaping @Sendable (JobContext) throws -> Result
    ) async throws -> Result {
        let vault = vault
        defer { kept = [:] }
        return try await Self.away("http-write") { try vault.read(body) }.get()
    }

    /// Runs a blocking body on a thread and gives what came of it as a value: Swift 6.3 does not
    /// come back to the actor from a thread's continuation that throws, and traps behind it.
    private static func away<Value: Sendable>(
        _ name: String,
        _ body: @escaping @Sendable () throws -> Value
    ) async -> Result<Value, any Error> {
        do {
            return try await onThread(name) { Result { try body() } }
        } catch {
            return .failure(error)
        }
    }

    private func age(_ kept: Kept) -> Double { clock.monotonicSeconds - kept.monotonic }

    private func answer(_ kept: Kept, isStale: Bool) -> Answer {
        Answer(text: kept.text, readAt: kept.readAt, age: age(kept), isStale: isStale)
    }

    private func start(_ question: String, _ read: @escaping Read) {
        guard flights[question] == nil else { return }
        flights[question] = Flight(read: read)
        queue.append(question)
        startQueued()
    }

    private func startQueued() {
        while !queue.isEmpty, flights.values.count(where: \.isRunning) < Self.readsMax {
            let question = queue.removeFirst()
            guard let read = flights[question]?.read else { continue }
            flights[question]?.isRunning = true
            let (vault, clock) = (vault, clock)
            Task {
                let (readAt, monotonic) = (clock.now, clock.monotonicSeconds)
                let result = await Self.away("http-read") { try vault.read(read) }
                finish(
                    question,
                    result.map { Kept(text: $0, readAt: readAt, monotonic: monotonic) }
                )
            }
        }
    }

    private func finish(_ question: String, _ result: Result<Kept, any Error>) {
        kept[question] = try? result.get()
        let waiters = flights.removeValue(forKey: question)?.waiters.values
        for waiter in waiters.map(Array.init) ?? [] { waiter.resume(returning: result) }
        tidy()
        startQueued()
    }

    /// Waits for the read at work; nil when `seconds` pass first.
    private func wait(
        for question: String,
        seconds: Double
    ) async -> Result<Kept, any Error>? {
        lastWaiter += 1
        let number = lastWaiter
        let timeout = Task {
            try await Task.sleep(for: .seconds(seconds))
            flights[question]?.waiters.removeValue(forKey: number)?.resume(returning: nil)
        }
        defer { timeout.cancel() }
        return await withCheckedContinuation { continuation in
            flights[question]?.waiters[number] = continuation
        }
    }

    /// Forgets what is too old or too much.
    private func tidy() {
        kept = kept.filter { age($0.value) < Self.keptSeconds }
        var bytes = kept.values.reduce(0) { $0 + $1.text.utf8.count }
        for (question, oldest) in kept.sorted(by: { $0.value.monotonic < $1.value.monotonic })
        where kept.count > Self.answersMax || bytes > Self.bytesMax {
            kept[question] = nil
            bytes -= oldest.text.utf8.count
        }
    }
}
