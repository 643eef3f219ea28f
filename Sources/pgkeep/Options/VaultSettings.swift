import Domain
import Platform

/// Which vault, and which key: options before environment before config file.
struct VaultSettings {
    /// The vault's directory, absolute; nil when nobody named one.
    let vault: String?
    /// The key's source; nil when nobody named one.
    let key: KeyChoice?
    /// The directory the config file is in, or would be in; nil without a home.
    let directory: String?
    /// The config file somebody names.
    private let configuration: String?

    /// Resolves the settings.
    ///
    /// A config file that an option or variable names is read in any case: one that is missing or
    /// wrong is a mistake, whether or not this command needs it. Another is read only when it is
    /// needed. A copy's `restore_command` names everything and depends on none, whatever variables
    /// the server has.
    init(_ global: GlobalOptions) throws {
        let namedVault = given(global.vault) ?? Environment.value("PGKEEP_VAULT")
        let namedKey = try given(global.keyFile).map(KeyChoice.file) ?? Self.keyOfEnvironment()
        let isComplete = namedVault != nil && (namedKey != nil || global.walKey != nil)
        let isOfCopy = given(global.vault) != nil && global.walKey != nil
        configuration =
            given(global.config) ?? (isOfCopy ? nil : Environment.value("PGKEEP_CONFIG"))
        var file: ConfigurationFile?
        if configuration != nil || !isComplete { file = try ConfigurationFile.find(configuration) }
        vault = (namedVault ?? file?.vault).map(FileSystem.absolute)
        key = try namedKey ?? file.flatMap(Self.keyOfFile)
        directory =
            configuration.flatMap { FileSystem.parent(of: FileSystem.absolute($0)) }
            ?? ConfigurationFile.ownDirectory
    }

    /// The agent's section of the config file, read anew.
    func agent() throws -> [String: [String]] {
        try ConfigurationFile.find(configuration)?.agent ?? [:]
    }

    /// The command that is told of events; nil when nobody named one.
    func hook() throws -> String? {
        try Environment.value("PGKEEP_HOOK") ?? ConfigurationFile.find(configuration)?.hook
    }

    /// The config file, when there is one.
    func configurationFile() throws -> ConfigurationFile? {
        try ConfigurationFile.find(configuration)
    }

    /// The vault's directory.
    func requireVault() throws -> String {
        guard let vault else {
            throw PgkeepError(
                .usage,
                "no vault is named",
                hint: "give --vault PATH, set PGKEEP_VAULT, or write \"vault: PATH\" to "
                    + (directory ?? "~/.config/pgkeep") + "/config.yaml"
            )
        }
        guard !vault.contains("://") else {
            throw PgkeepError(
                .usage,
                "\(Redaction.withoutPasswords(vault)) is no directory",
                hint: "this version keeps vaults in directories; give the path of one"
            )
        }
        return vault
    }

    private static func keyOfEnvironment() throws -> KeyChoice? {
        let file = ("PGKEEP_KEY_FILE", Environment.value("PGKEEP_KEY_FILE").map(KeyChoice.file))
        return try only([file] + passphrases("PGKEEP_PASSPHRASE"), in: "the environment")
    }

    /// The passphrase that `name`, `name_FILE` or `name_COMMAND` gives; nil when none is set.
    static func passphrase(inVariables name: String) throws -> KeyChoice? {
        try only(passphrases(name), in: "the environment")
    }

    private static func passphrases(_ name: String) -> [(String, KeyChoice?)] {
        [
            (name, Environment.value(name).map { _ in .passphraseVariable(name) }),
            (name + "_FILE", Environment.value(name + "_FILE").map(KeyChoice.passphraseFile)),
            (
                name + "_COMMAND",
                Environment.value(name + "_COMMAND").map(KeyChoice.passphraseCommand)
            ),
        ]
    }

    private static func keyOfFile(_ file: ConfigurationFile) throws -> KeyChoice? {
        try only(
            [
                ("key_file", file.keyFile.map(KeyChoice.file)),
                ("passphrase_file", file.passphraseFile.map(KeyChoice.passphraseFile)),
                ("passphrase_command", file.passphraseCommand.map(KeyChoice.passphraseCommand)),
            ],
            in: "config file \(file.path)"
        )
    }

    /// Two keys in one place: taking either would be a guess.
    private static func only(_ choices: [(String, KeyChoice?)], in place: String) throws
        -> KeyChoice?
    {
        let found = choices.filter { $0.1 != nil }
        guard found.count <= 1 else {
            throw PgkeepError(
                .usage,
                "\(found.map(\.0).joined(separator: " and ")) are both set in \(place)",
                hint: "leave one of them"
            )
        }
        return found.first?.1
    }
}

/// An empty value is none: scripts write `--vault "$VAULT"`.
private func given(_ text: String?) -> String? { text.flatMap { $0.isEmpty ? nil : $0 } }
