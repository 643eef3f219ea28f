import ArgumentParser

/// The root command: holds the groups and the options every verb knows.
struct Pgkeep: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pgkeep",
        abstract: "Back up live PostgreSQL servers and restore them to any moment.",
        discussion: """
            A vault keeps base backups and the WAL between them, compressed and always encrypted. \
            The first steps:

              pgkeep vault init /backup/vault
              pgkeep instance add main --source "host=/var/run/postgresql user=postgres"
              pgkeep wal stream main &
              pgkeep restore plan main --time 2026-03-14T15:09:00Z
              pgkeep restore start main --time 2026-03-14T15:09:00Z --to-dir /new --run

            Exit codes: 0 done, 1 unexpected, 3 refused by a guard, 4 not found, 5 target outside \
            the recovery window, 6 damage or wrong key, 7 source or vault unreachable, 8 busy, \
            64 wrong usage.
            """,
        version: Version.text,
        subcommands: [
            VaultCommand.self, InstanceCommand.self, BackupCommand.self, WALCommand.self,
            WindowCommand.self, RestoreCommand.self, DrillCommand.self, JobCommand.self,
            ActivityCommand.self, StatusVerb.self, DoctorVerb.self, MetricsVerb.self,
            ErrorsCommand.self, PolicyCommand.self, HoldCommand.self, AlertCommand.self,
            NotifyCommand.self,
            AgentCommand.self,
        ]
    )

    @OptionGroup(title: "Global options") var global: GlobalOptions
}
