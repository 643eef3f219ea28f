import ArgumentParser
import Engine
import Platform

/// `drill guard`: started by each drill, and ends with it; cleans up after one that is killed.
struct DrillGuardVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "guard",
        abstract: "Clean up after a drill that is killed.",
        shouldDisplay: false
    )

    @Argument(help: ArgumentHelp("The drill's directory.", valueName: "dir"))
    var directory: String

    func run() throws {
        Signals.ignoreWishesToEnd()
        try DrillGuard.watch(directory)
    }
}
