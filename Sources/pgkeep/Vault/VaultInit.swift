import ArgumentParser
import Domain
import Platform
import Sealing
import Storage
import Vaulting

/// `vault init`
struct VaultInit: Verb {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Create a vault.",
        discussion: """
            Makes the directory, which must be missing or empty, and a key to go with it. Without \
            a key option a new key file is written beside the config file, readable by you alone. \
            Whoever loses the key loses the vault: keep a copy of it elsewhere.

              pgkeep vault init /backup/vault
              PGKEEP_PASSPHRASE_FILE=/etc/pgkeep/pass pgkeep vault init /backup/vault
            """
    )

    @Argument(
        help: ArgumentHelp("The directory (else --vault).", valueName: "path"),
        completion: .directory
    )
    var path: String?

    @Flag(
        help: ArgumentHelp(
            "Protect the vault with a passphrase instead of a key file.",
            discussion: "It is asked for unless one of the PGKEEP_PASSPHRASE variables gives it."
        )
    )
    var passphrase = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        var vault: String
        var id: VaultID
        var keyFile: String?
        /// Whether this run wrote the key file.
        var isNewKey: Bool

        private enum CodingKeys: String, CodingKey {
            case vault
            case id
            case keyFile = "key_file"
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(vault, forKey: .vault)
            try container.encode(id, forKey: .id)
            try container.encode(keyFile, forKey: .keyFile)
        }
    }

    func answer(_ session: Session) throws -> Answer {
        let directory = try vaultDirectory(session)
        let id = Vault.newID()
        let choice = try keyChoice(session, directory, id)
        guard case .file(let keyPath) = choice else {
            let source = try choice.read(token: session.token, confirms: true)
            let store = try FileStore.create(at: directory)
            _ = try Vault.create(store: store, keySource: source, id: id, clock: session.clock)
            return Answer(vault: store.location, id: id, keyFile: nil, isNewKey: false)
        }
        try KeyLocation.refuse(keyPath, inside: directory)
        let isNew = try FileSystem.info(keyPath, followLinks: true) == nil
        let known = isNew ? nil : try KeyFile.read(keyPath)
        let store = try FileStore.create(at: directory)
        let key = try known ?? newKey(keyPath)
        do {
            _ = try Vault.create(
                store: store,
                keySource: .keyFile(key),
                id: id,
                clock: session.clock
            )
        } catch {
            // A key that opens nothing would only be taken for one that does.
            if isNew, (try? Vault.identity(of: store)) != id { try FileSystem.removeFile(keyPath) }
            throw error
        }
        return Answer(vault: store.location, id: id, keyFile: keyPath, isNewKey: isNew)
    }

    func lines(_ answer: Answer) -> [String] {
        var lines = ["Vault \(answer.id) is ready in \(answer.vault)."]
        if let keyFile = answer.keyFile {
            lines += [
                answer.isNewKey ? "Its key was written to \(keyFile)." : "Its key is \(keyFile).",
                "Without this file the vault is lost. Copy it to a safe place away from here, now.",
            ]
        } else {
            lines.append("Without its passphrase the vault is lost. Keep it somewhere safe.")
        }
        let next = "pgkeep --vault \(answer.vault) instance add NAME --source CONNINFO"
        return lines + ["Next: \(next)"]
    }

    private func vaultDirectory(_ session: Session) throws -> String {
        guard let path, !path.isEmpty else { return try session.settings.requireVault() }
        guard global.vault == nil || global.vault == path else {
            throw PgkeepError(
                .usage,
                "two directories are named, \(path) and \(global.vault ?? "")",
                hint: "give one of them"
            )
        }
        return FileSystem.absolute(path)
    }

    private func keyChoice(
        _ session: Session,
        _ directory: String,
        _ id: VaultID
    ) throws -> KeyChoice {
        let named = session.settings.key
        if passphrase {
            guard global.keyFile == nil else {
                throw PgkeepError(
                    .usage,
                    "--passphrase and --key-file are both given",
                    hint: "leave one out; another key can be added to the vault later"
                )
            }
            return named.flatMap { $0.isPassphrase ? $0 : nil } ?? .passphrasePrompt
        }
        if case .file(let path) = named { return .file(FileSystem.absolute(path)) }
        if let named { return named }
        guard let own = session.settings.directory else {
            throw PgkeepError(
                .usage,
                "there is no home directory to put a key file in",
                hint: "say where it shall be with --key-file FILE"
            )
        }
        return .file(own + "/" + KeyFileName.make(vault: directory, id: id))
    }

    private func newKey(_ path: String) throws -> SecretBytes {
        if let parent = FileSystem.parent(of: path) { try FileSystem.makeDirectories(parent) }
        return try KeyFile.create(path)
    }
}

/// Where a key file must not be: with what it opens, both are stolen or lost together.
enum KeyLocation {
    static func refuse(_ key: String, inside vault: String) throws {
        let (key, vault) = (canonical(key), canonical(vault))
        guard key != vault, !key.hasPrefix(vault == "/" ? vault : vault + "/") else {
            throw PgkeepError(
                .refused,
                "the key file \(key) would lie inside the vault it opens",
                hint:
                    "put it elsewhere: who copies or loses the vault must not have its key with it"
            )
        }
    }

    /// The path with links resolved as far as it exists.
    private static func canonical(_ path: String) -> String {
        var known = path
        var rest: [Substring] = []
        while true {
            if let real = FileSystem.resolved(known) {
                return ([real == "/" ? "" : real] + rest.map(String.init)).joined(separator: "/")
            }
            guard let slash = known.lastIndex(of: "/"), slash != known.startIndex else {
                return path
            }
            rest.insert(known[known.index(after: slash)...], at: 0)
            known = String(known[..<slash])
        }
    }
}
