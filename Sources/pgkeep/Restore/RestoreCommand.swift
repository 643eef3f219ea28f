import ArgumentParser

/// The group of commands that restore.
struct RestoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Restore an instance to a moment, into a fresh directory.",
        subcommands: [RestorePlanVerb.self, RestoreStart.self]
    )
}
