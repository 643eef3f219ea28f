/// What the operator brings to open a vault.
///
/// Printing one shows its kind and `<secret>`.
public enum KeySource: Sendable {
    /// A passphrase: its bytes as given, not empty. No Unicode normalization is done.
    case passphrase(SecretBytes)
    /// The 32 bytes of a key file.
    case keyFile(SecretBytes)

    /// The kind of slot this opens.
    public var kind: KeySlot.Kind {
        switch self {
        case .passphrase: .passphrase
        case .keyFile: .keyFile
        }
    }
}
