/// The keys of one epoch: the master key, and the fingerprint key that all epochs share.
///
/// The fingerprint key is never rotated: with a new one every page would look changed.
public struct EpochKeys: Sendable {
    /// The epoch's number, from 1.
    public let epoch: UInt32
    /// The master key, 32 bytes.
    public let master: SecretBytes
    /// The fingerprint key, 32 bytes.
    public let fingerprint: SecretBytes

    /// Keys that exist already.
    public init(epoch: UInt32, master: SecretBytes, fingerprint: SecretBytes) {
        precondition(master.count == 32 && fingerprint.count == 32)
        self.epoch = epoch
        self.master = master
        self.fingerprint = fingerprint
    }

    /// A new epoch with a random master key; a new vault also gets a random fingerprint key, a
    /// later epoch is given the one there is.
    public static func generate(epoch: UInt32, fingerprint: SecretBytes? = nil) -> EpochKeys {
        EpochKeys(
            epoch: epoch,
            master: .random(count: 32),
            fingerprint: fingerprint ?? .random(count: 32)
        )
    }
}
