import ArgumentParser

/// The group of commands about protected PostgreSQL instances.
struct InstanceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "instance",
        abstract: "Put PostgreSQL instances under protection, stop and delete them.",
        subcommands: [
            InstanceAdd.self, InstanceList.self, InstanceShow.self, InstanceStop.self,
            InstanceResume.self, InstanceDelete.self, InstanceUndelete.self, InstanceLock.self,
            InstanceUnlock.self, InstanceChangePolicy.self, InstanceChangeSource.self,
        ]
    )
}
