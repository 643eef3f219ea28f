import ArgumentParser

/// The group of commands about recovery points.
struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Take base backups, list and delete the recovery points they made.",
        subcommands: [
            BackupCreate.self, BackupList.self, BackupShow.self, BackupDelete.self,
            BackupRunDue.self,
        ]
    )
}
