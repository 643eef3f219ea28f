import ArgumentParser
import Domain
import Engine

/// A failure as the operator sees it: two lines and an exit code.
struct ErrorReport {
    private let failure: FailureReport

    /// Nil for what the parser throws without anything having failed: help, version, completions.
    init?(_ error: any Error) {
        if let error = error as? PgkeepError {
            failure = FailureReport(error)
            return
        }
        let status = Pgkeep.exitCode(for: error)
        guard status != .success else { return nil }
        guard status == .validationFailure else {
            // Nobody foresaw it, so nobody can say what to do; its text is all there is.
            failure = FailureReport(error)
            return
        }
        // The parser ends with "See 'pgkeep … --help' for more information."
        let quoted = Pgkeep.fullMessage(for: error).split(separator: "'")
        let help = quoted.last { $0.hasPrefix("pgkeep ") } ?? "pgkeep --help"
        let message = Pgkeep.message(for: error)
        let understood = help.split(separator: " ").prefix { !$0.hasPrefix("-") }
        let mistyped = MistypedVerb(message, after: Array(understood))
        failure = FailureReport(
            PgkeepError(
                .usage,
                mistyped?.message ?? message,
                hint: mistyped?.hint ?? "see \(help)"
            )
        )
    }

    /// The stable code.
    var code: String { failure.code }

    /// What failed, in one line.
    var message: String { failure.message }

    /// The exit code.
    var exit: Int32 { failure.exit.rawValue }

    /// The two lines for people.
    var lines: [String] { ["pgkeep: \(failure.message)", "  → \(failure.hint)"] }

    /// The document of `--json`.
    var document: String { failure.document }
}
