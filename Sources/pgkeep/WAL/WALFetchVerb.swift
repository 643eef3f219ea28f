import ArgumentParser
import Domain
import Engine
import Logging
import Platform
import Storage
import Vaulting

/// `wal fetch`: the `restore_command` of a restored copy.
///
/// Not a `Verb`: it must start fast, so it starts no thread, and it leaves signals alone, since the
/// server that calls it stops it with one.
struct WALFetchVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fetch",
        abstract: "Write one WAL segment or history file from the vault.",
        usage: "pgkeep wal fetch [<options>] <name> <file> <destination>",
        discussion: """
            Made for restore_command; restore start writes the whole line. Exits 0 when the file \
            is written, 1 when the vault certainly does not have it, and 200 or more for anything \
            doubtful, on which PostgreSQL stops instead of ending recovery too early.

              pgkeep wal fetch main 000000010000000000000003 /tmp/segment
            """
    )

    @Argument(
        help: ArgumentHelp(
            "The instance's name, the file asked for, and where to write it.",
            valueName: "words"
        )
    )
    var words: [String]

    @Option(
        help: ArgumentHelp(
            "The system identifier, instead of a name.",
            valueName: "number",
            visibility: .hidden
        )
    )
    var systemId: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    private struct Answer: Encodable {
        var file: String
        var found: Bool
    }

    func run() throws {
        guard words.count == (systemId == nil ? 3 : 2), let destination = words.last else {
            throw PgkeepError(
                .usage,
                "wal fetch takes an instance, a file and a destination",
                hint: "for example: pgkeep wal fetch main 000000010000000000000003 /tmp/segment"
            )
        }
        let session = try Session(global)
        let (vault, system) = try open(session)
        let found = try WALFetch.run(
            vault: vault,
            systemIdentifier: system,
            file: words[words.count - 2],
            destination: destination
        )
        if global.json {
            let answer = Answer(file: words[words.count - 2], found: found)
            Terminal.write(JSONText.document(answer), to: .output)
        }
        if !found { throw ExitCode(1) }
    }

    private func open(_ session: Session) throws -> (Vault, SystemIdentifier) {
        if let path = global.walKey {
            let key = try WALKeyFile(path: path)
            let vault = try Vault.open(store: session.openStore(), walKey: key)
            guard systemId == nil || systemId == key.systemIdentifier.description else {
                throw PgkeepError(
                    .wrongKey,
                    "the WAL key is of system \(key.systemIdentifier)",
                    hint: "give --system-id \(key.systemIdentifier)"
                )
            }
            return (vault, key.systemIdentifier)
        }
        let context = try session.context()
        guard let systemId else {
            let name = try InstanceName(checking: words[0])
            return (context.vault, try Instances.find(context, name).systemIdentifier)
        }
        guard let system = SystemIdentifier(systemId) else {
            throw PgkeepError(
                .usage,
                "\"\(systemId)\" is no system identifier",
                hint: "take it from pgkeep instance show"
            )
        }
        return (context.vault, system)
    }
}
