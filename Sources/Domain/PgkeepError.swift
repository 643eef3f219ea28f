/// The one error every layer throws: what failed, what to do, and why.
///
/// `message` and `hint` are one line each and never contain a secret. Layers add context by
/// wrapping: the outer error keeps the inner one as `cause`.
public struct PgkeepError: Error, Sendable, CustomStringConvertible {
    /// The stable code; it decides the exit code.
    public var code: ErrorCode
    /// One line: what failed.
    public var message: String
    /// One line: what to do next; empty when nobody can say.
    public var hint: String
    /// What lies beneath, if anything.
    public var cause: (any Error)?

    /// An error with its next step.
    public init(
        _ code: ErrorCode,
        _ message: String,
        hint: String = "",
        cause: (any Error)? = nil
    ) {
        self.code = code
        self.message = message
        self.hint = hint
        self.cause = cause
    }

    /// The message with those of its causes.
    public var description: String {
        guard let cause else { return message }
        return "\(message): \(cause)"
    }
}
