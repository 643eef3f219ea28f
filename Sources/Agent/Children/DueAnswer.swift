public import Domain
import FoundationEssentials

/// What `backup run-due --json` says, as far as it tells when to look again.
public struct DueAnswer: Sendable {
    private struct Document: Decodable {
        struct Entry: Decodable {
            var outcome: String
            var nextAt: Timestamp?
            var skipReason: String?

            enum CodingKeys: String, CodingKey {
                case outcome
                case nextAt = "next_at"
                case skipReason = "skip_reason"
            }
        }
        var instances: [Entry]
    }

    /// The outcome: `completed`, `failed`, `skipped`, `not-due`, …
    public var outcome: String
    /// Why nothing was begun.
    public var skipReason: String?
    /// When something is due next.
    public var nextAt: Timestamp?

    /// Seconds after which an answer is asked for again, whatever it said: a policy may change, a
    /// clock may step.
    public static let lookSecondsMax = 300.0
    /// Seconds after which what was held up for a moment is looked at again.
    public static let lookSeconds = 60.0

    /// Reads a document about one instance; nil when it is none.
    public init?(_ bytes: [UInt8]) {
        guard let document = try? JSONDecoder().decode(Document.self, from: Data(bytes)),
            let entry = document.instances.first
        else { return nil }
        outcome = entry.outcome
        skipReason = entry.skipReason
        nextAt = entry.nextAt
    }

    /// Seconds from `now` after which to look again.
    public func secondsToLook(_ now: Timestamp) -> Double {
        guard ["completed", "not-due", "waiting", "failed"].contains(outcome), let nextAt else {
            return Self.lookSeconds
        }
        // A moment late rather than a moment early, which would be one look more.
        return min(max(nextAt.seconds(since: now) + 0.5, 5), Self.lookSecondsMax)
    }
}
