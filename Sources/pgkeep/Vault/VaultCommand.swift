import ArgumentParser

/// The group of commands about the vault itself.
struct VaultCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vault",
        abstract: "Create, check and measure a vault.",
        subcommands: [VaultInit.self, VaultCheckVerb.self, VaultUsageVerb.self]
    )
}
