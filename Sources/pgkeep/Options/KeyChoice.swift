import Domain
import Platform
import Sealing

/// Where a vault's key comes from, as the operator said it.
enum KeyChoice: Equatable {
    /// A key file.
    case file(String)
    /// A variable that holds the passphrase itself.
    case passphraseVariable(String)
    /// A file whose first line is the passphrase.
    case passphraseFile(String)
    /// A shell command that prints the passphrase.
    case passphraseCommand(String)
    /// To be typed on the terminal.
    case passphrasePrompt

    /// True for all ways to give a passphrase.
    var isPassphrase: Bool {
        if case .file = self { false } else { true }
    }

    /// Reads the key. `confirms` asks twice when it is typed.
    func read(token: CancellationToken, confirms: Bool = false) throws -> KeySource {
        switch self {
        case .file(let path):
            .keyFile(try KeyFile.read(path))
        case .passphraseVariable(let name):
            .passphrase(SecretBytes(Array((Environment.value(name) ?? "").utf8)))
        case .passphraseFile(let path):
            .passphrase(try Passphrase.fromFile(path))
        case .passphraseCommand(let command):
            .passphrase(try Passphrase.fromCommand(command))
        case .passphrasePrompt:
            .passphrase(try Passphrase.typed(token: token, confirms: confirms))
        }
    }
}
