import ArgumentParser
import Sealing

/// The group of commands about who can open a vault.
struct VaultKeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Say who can open the vault.",
        subcommands: [
            VaultKeyList.self, VaultKeyAdd.self, VaultKeyRemove.self, VaultKeyRotate.self,
        ]
    )
}

extension KeySlot.Kind {
    /// The word for it in answers.
    var word: String {
        switch self {
        case .passphrase: "passphrase"
        case .keyFile: "key-file"
        case .laterEpoch: "later-epoch"
        }
    }
}
