/// What opens a key slot: what an operator brings, or the key of a later epoch.
///
/// Printing one shows its kind and `<secret>`.
public enum KeySource: Sendable {
    /// A passphrase: its bytes as given, not empty. No Unicode normalization is done.
    case passphrase(SecretBytes)
    /// The 32 bytes of a key file.
    case keyFile(SecretBytes)
    /// The keys of an epoch after the slot's own.
    case laterEpoch(EpochKeys)

    /// The kind of slot this opens.
    public var kind: KeySlot.Kind {
        switch self {
        case .passphrase: .passphrase
        case .keyFile: .keyFile
        case .laterEpoch: .laterEpoch
        }
    }
}
