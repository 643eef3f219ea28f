import ArgumentParser

/// The group of commands about restore drills.
struct DrillCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drill",
        abstract: "Restore for proof: into a scratch directory, checked, and thrown away.",
        subcommands: [
            DrillRun.self, DrillList.self, DrillShow.self, DrillRunDue.self, DrillGuardVerb.self,
        ]
    )
}
