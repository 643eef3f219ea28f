import ArgumentParser

/// The group of commands about policies.
struct PolicyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Say when backups are due and how long they are kept.",
        subcommands: [
            PolicyCreate.self, PolicyList.self, PolicyShow.self, PolicySet.self,
            PolicyDelete.self, PolicyLimits.self,
        ]
    )
}
