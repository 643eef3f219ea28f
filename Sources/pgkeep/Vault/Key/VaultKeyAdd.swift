import ArgumentParser
import Domain
import Platform
import Sealing
import Vaulting

/// `vault key add`
struct VaultKeyAdd: Verb {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Let a further key open the vault.",
        discussion: """
            The vault is opened with a key it has. The new one is a key file written now, or a \
            passphrase: from PGKEEP_NEW_PASSPHRASE, from the file named by \
            PGKEEP_NEW_PASSPHRASE_FILE, from the output of PGKEEP_NEW_PASSPHRASE_COMMAND, or typed.

              pgkeep vault key add --new-key-file /root/recovery.key
              PGKEEP_NEW_PASSPHRASE_FILE=/etc/pgkeep/pass pgkeep vault key add
            """
    )

    @Option(
        help: ArgumentHelp(
            "Write a new key to this file, which must not be there yet.",
            valueName: "file"
        ),
        completion: .file()
    )
    var newKeyFile: String?

    @Flag(help: "Ask for the new passphrase.")
    var newPassphrase = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        var slot: UInt32
        var kind: String
        var keyFile: String?

        private enum CodingKeys: String, CodingKey {
            case slot, kind
            case keyFile = "key_file"
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(slot, forKey: .slot)
            try container.encode(kind, forKey: .kind)
            try container.encode(keyFile, forKey: .keyFile)
        }
    }

    func answer(_ session: Session) throws -> Answer {
        let choice = try newChoice()
        if case .file(let path) = choice {
            try KeyLocation.refuse(path, inside: session.settings.requireVault())
        }
        let vault = try session.openVault()
        let answer = try add(choice, to: vault, session)
        try ActivityLog(vault, session.clock).append(
            action: "vault.key-add",
            details: ["slot": String(answer.slot), "kind": answer.kind]
        )
        return answer
    }

    private func add(_ choice: KeyChoice, to vault: Vault, _ session: Session) throws -> Answer {
        let keys = try VaultKeys(vault, clock: session.clock)
        guard case .file(let path) = choice else {
            let source: KeySource =
                choice == .passphrasePrompt
                ? .passphrase(
                    try Passphrase.typed(
                        token: session.token,
                        confirms: true,
                        prompt: "New passphrase: "
                    )
                ) : try choice.read(token: session.token)
            return Answer(slot: try keys.add(source), kind: source.kind.word, keyFile: nil)
        }
        // The key is safe in its file before anything is wrapped for it.
        if let parent = FileSystem.parent(of: path) { try FileSystem.makeDirectories(parent) }
        let source = KeySource.keyFile(try KeyFile.create(path))
        do {
            return Answer(slot: try keys.add(source), kind: source.kind.word, keyFile: path)
        } catch {
            // A key that opens nothing would only be taken for one that does.
            if (try? Vault.open(store: vault.store, keySource: source)) == nil {
                try FileSystem.removeFile(path)
            }
            throw error
        }
    }

    private func newChoice() throws -> KeyChoice {
        let file = newKeyFile.map { KeyChoice.file(FileSystem.absolute($0)) }
        let given = try VaultSettings.passphrase(inVariables: "PGKEEP_NEW_PASSPHRASE")
        let choices = [file, given, newPassphrase ? .passphrasePrompt : nil].compactMap { $0 }
        guard let choice = choices.first, choices.count == 1 else {
            throw PgkeepError(
                .usage,
                choices.isEmpty ? "no new key is given" : "more than one new key is given",
                hint: "give one of --new-key-file FILE, --new-passphrase, PGKEEP_NEW_PASSPHRASE, "
                    + "PGKEEP_NEW_PASSPHRASE_FILE, PGKEEP_NEW_PASSPHRASE_COMMAND"
            )
        }
        return choice
    }

    func lines(_ answer: Answer) -> [String] {
        guard let keyFile = answer.keyFile else {
            return ["The new passphrase opens the vault, too: key slot \(answer.slot)."]
        }
        return [
            "A new key was written to \(keyFile). It opens the vault, too: key slot"
                + " \(answer.slot)."
        ]
    }
}
