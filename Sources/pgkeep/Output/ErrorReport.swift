import ArgumentParser
import Domain
import Postgres

/// A failure as the operator sees it: what failed, what to do, a code for scripts, an exit code.
struct ErrorReport {
    let code: String
    let message: String
    let hint: String
    let exit: Int32

    /// Nil for what the parser throws without anything having failed: help, version, completions.
    init?(_ error: any Error) {
        if let error = error as? PgkeepError {
            self.init(error)
            return
        }
        let status = Pgkeep.exitCode(for: error)
        guard status != .success else { return nil }
        guard status == .validationFailure else {
            // Nobody foresaw it, so nobody can say what to do; its text is all there is.
            self.init(PgkeepError(.unexpected, "unexpected: \(error)"))
            return
        }
        // The parser ends with "See 'pgkeep … --help' for more information."
        let quoted = Pgkeep.fullMessage(for: error).split(separator: "'")
        let help = quoted.last { $0.hasPrefix("pgkeep ") } ?? "pgkeep --help"
        let message = Pgkeep.message(for: error)
        let understood = help.split(separator: " ").prefix { !$0.hasPrefix("-") }
        let mistyped = MistypedVerb(message, after: Array(understood))
        self.init(
            PgkeepError(
                .usage,
                mistyped?.message ?? message,
                hint: mistyped?.hint ?? "see \(help)"
            )
        )
    }

    private init(_ error: PgkeepError) {
        code = error.code.name
        exit = error.code.exit.rawValue
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

    /// The two lines for people.
    var lines: [String] { ["pgkeep: \(message)", "  → \(hint)"] }

    /// The document of `--json`.
    var document: String { JSONText.document(["error": self]) }

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

extension ErrorReport: Encodable {
    private enum CodingKeys: CodingKey { case code, message, hint }
}
