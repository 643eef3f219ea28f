import ArgumentParser

/// The group of commands about protected PostgreSQL instances.
struct InstanceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "instance",
        abstract: "Put PostgreSQL instances under protection.",
        subcommands: [InstanceAdd.self, InstanceList.self, InstanceShow.self]
    )
}
