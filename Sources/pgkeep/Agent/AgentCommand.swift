import ArgumentParser

/// `agent`
struct AgentCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent",
        abstract: "Keep all instances of a vault streaming and backed up.",
        subcommands: [AgentRun.self]
    )
}
