import ArgumentParser

/// The group of commands about write-ahead log.
struct WALCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wal",
        abstract: "Stream WAL into the vault and fetch it from there.",
        subcommands: [WALStreamVerb.self, WALStatusVerb.self, WALFetchVerb.self]
    )
}
