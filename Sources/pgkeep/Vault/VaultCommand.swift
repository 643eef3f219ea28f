import ArgumentParser

/// The group of commands about the vault itself.
struct VaultCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vault",
        abstract: "Create, check, measure and prune a vault; say who can open it and what may go.",
        subcommands: [
            VaultInit.self, VaultCheckVerb.self, VaultUsageVerb.self, VaultForecast.self,
            VaultQuota.self, VaultPruneVerb.self, VaultKeyCommand.self,
            VaultImmutabilityCommand.self,
        ]
    )
}
