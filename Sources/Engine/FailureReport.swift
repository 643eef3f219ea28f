public import Domain
import Postgres

/// A failure as it is told: what failed, what to do, a code for scripts, an exit code.
public struct FailureReport: Error, Sendable, Encodable {
    /// The stable code.
    public var code: String
    /// One line: what failed, with its causes.
    public var message: String
    /// One line: what to do.
    public var hint: String
    /// The exit code, from which other interfaces derive theirs.
    public var exit: ExitStatus

    private enum CodingKeys: CodingKey { case code, message, hint }

    /// Whatever was thrown; what nobody foresaw is `unexpected`.
    public init(_ error: any Error) {
        switch error {
        case let report as FailureReport: self = report
        case let error as PgkeepError: self.init(error)
        default: self.init(PgkeepError(.unexpected, "unexpected: \(error)"))
        }
    }

    /// An error with those that led to it.
    public init(_ error: PgkeepError) {
        code = error.code.name
        exit = error.code.exit
        var parts = [error.message]
        var advice = error.hint
        var cause = error.cause
        while let inner = cause as? PgkeepError {
            // An outer message that quotes its cause need not be followed by it.
            if !parts.contains(where: { $0.contains(inner.message) }) {
                parts.append(inner.message)
            }
            if advice.isEmpty { advice = inner.hint }
            cause = inner.cause
        }
        // The server's own words say which of the many reasons it was.
        if let said = cause as? PostgresError, !said.message.isEmpty {
            parts.append(said.description)
        }
        message = Self.oneLine(parts.joined(separator: ": "))
        hint = Self.oneLine(advice.isEmpty ? Self.general(error.code) : advice)
    }

    /// The document `{"error":{…}}`.
    public var document: String { JSONText.document(["error": self]) }

    private static func general(_ code: ErrorCode) -> String {
        switch code.exit {
        case .cancelled: "nothing half-done counts; run the command again when you like"
        case .busy: "wait for the other one to end, then run the command again"
        default: "run the command again with --verbose to see what led to it"
        }
    }

    private static func oneLine(_ text: String) -> String {
        Redaction.withoutPasswords(
            text.split(whereSeparator: \.isNewline).map { $0.trimmingPrefix { $0 == " " } }
                .joined(separator: " ")
        )
    }
}
