import ArgumentParser
import Domain
import Engine

/// `drill show`
struct DrillShow: Verb {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show the receipt of one drill.",
        discussion: """
            The first digits of its id, which is that of its job, are enough when no other begins \
            with them.

              pgkeep drill show 0197a3c2
            """
    )

    @Argument(help: ArgumentHelp("The id of the drill, or its beginning.", valueName: "id"))
    var id: String

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> Drill { try Drills.find(session.context(), id) }

    func lines(_ answer: Drill) -> [String] { DrillText.facts(answer) }
}
