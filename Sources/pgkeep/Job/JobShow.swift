import ArgumentParser
import Domain
import Engine
import Vaulting

/// `job show`
struct JobShow: Verb {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one job: phases, bytes, how it ended, the end of its log.",
        discussion: """
            The first digits of its id are enough when no other begins with them.

              pgkeep job show 0197a3c2
            """
    )

    @OptionGroup var job: JobArgument
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> JobRecord {
        try Jobs.find(session.context(), job.text)
    }

    func lines(_ answer: JobRecord) -> [String] { JobText.facts(answer) }
}
