import Engine
import Synchronization

/// How many requests were answered, by what they asked for and with which status.
final class RequestCount: Sendable {
    private struct Key: Hashable, Comparable {
        var handler: String
        var code: Int

        static func < (left: Key, right: Key) -> Bool {
            (left.handler, left.code) < (right.handler, right.code)
        }
    }

    private let counts = Mutex<[Key: Int]>([:])

    /// Counts an answer. `handler` is one of few words, never what a client wrote.
    func add(_ handler: String, code: Int) {
        counts.withLock { $0[Key(handler: handler, code: code), default: 0] += 1 }
    }

    /// Adds the counts to a text.
    func add(to text: inout MetricsText) {
        let all = counts.withLock { $0 }.sorted { $0.key < $1.key }
        text.add(
            "pgkeep_http_requests_total",
            kind: .counter,
            "Requests that were answered.",
            all.map { key, count in
                MetricsText.Sample([("handler", key.handler), ("code", "\(key.code)")], count)
            }
        )
    }
}
