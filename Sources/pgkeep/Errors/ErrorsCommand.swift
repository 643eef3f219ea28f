import ArgumentParser
import Domain

/// The group of commands about error codes.
struct ErrorsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "errors",
        abstract: "Explain error codes.",
        subcommands: [ErrorsExplain.self, ErrorsList.self]
    )
}

/// `errors explain`
struct ErrorsExplain: Verb {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say what an error code means and what to do.",
        discussion: """
            With --json every failure names its code; a failed job keeps it.

              pgkeep errors explain source.auth
            """
    )

    @Argument(help: ArgumentHelp("The code.", valueName: "code"))
    var code: String

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> ErrorExplanation {
        try ErrorCatalogue.explain(code)
    }

    func lines(_ answer: ErrorExplanation) -> [String] {
        var facts = Facts()
        facts.add("code", answer.code)
        facts.add("exit code", String(answer.exit))
        facts.add("cause", answer.cause)
        facts.add("what to do", answer.action)
        return facts.lines
    }
}

/// `errors list`
struct ErrorsList: Verb {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List all error codes.",
        discussion: """
            Codes are stable: scripts may match on them.

              pgkeep errors list --json
            """
    )

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        var errors: [ErrorExplanation]
    }

    func answer(_ session: Session) throws -> Answer { Answer(errors: ErrorCatalogue.all) }

    func lines(_ answer: Answer) -> [String] {
        var table = Table(["CODE", "EXIT", "CAUSE"], numbers: [1])
        for error in answer.errors { table.add([error.code, String(error.exit), error.cause]) }
        return table.lines
    }
}
