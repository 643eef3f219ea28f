import ArgumentParser

/// The options of every command; legal before and after the verb.
struct GlobalOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The vault's directory (else PGKEEP_VAULT, else the config file).",
            valueName: "path"
        ),
        completion: .directory
    )
    var vault: String?

    @Option(
        help: ArgumentHelp(
            "The file with the vault's key (else PGKEEP_KEY_FILE, else the config file).",
            discussion: """
                A vault with a passphrase takes it from PGKEEP_PASSPHRASE, from the file named by \
                PGKEEP_PASSPHRASE_FILE, or from the output of PGKEEP_PASSPHRASE_COMMAND.
                """,
            valueName: "file"
        ),
        completion: .file()
    )
    var keyFile: String?

    @Option(
        help: ArgumentHelp(
            "The config file (else PGKEEP_CONFIG, else ~/.config/pgkeep/config.yaml, else "
                + "/etc/pgkeep/config.yaml).",
            discussion: "One that the option or the variable names must be there.",
            valueName: "file"
        ),
        completion: .file()
    )
    var config: String?

    @Option(
        name: .customLong("wal-key"),
        help: ArgumentHelp(
            "A file with the WAL keys of one restore.",
            valueName: "file",
            visibility: .hidden
        )
    )
    var walKey: String?

    @Flag(help: "Write exactly one JSON document to stdout.")
    var json = false

    @Flag(name: .shortAndLong, help: "Say nothing but errors.")
    var quiet = false

    @Flag(name: .shortAndLong, help: "Say more about what is done.")
    var verbose = false
}
