import ArgumentParser
import Domain
import Engine

/// `instance undelete`
struct InstanceUndelete: Verb {
    static let configuration = CommandConfiguration(
        commandName: "undelete",
        abstract: "Take an instance out of the trash.",
        discussion: """
            It is stopped then, with all its recovery points; resume it to protect it again.

              pgkeep instance undelete main
            """
    )

    @OptionGroup var instance: NameArgument
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> LifecycleAnswer {
        let job = UndeleteInstance(context: try session.context(), name: try instance.name)
        return LifecycleAnswer(try job.run())
    }

    func lines(_ answer: LifecycleAnswer) -> [String] { answer.lines }
}
