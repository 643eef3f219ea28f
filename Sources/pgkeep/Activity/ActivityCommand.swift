import ArgumentParser

/// The group of commands about the activity log.
struct ActivityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "activity",
        abstract: "See who did what, and prove that the log of it is whole.",
        subcommands: [ActivityList.self, ActivityVerify.self]
    )
}
