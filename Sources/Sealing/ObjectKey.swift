public import Domain

/// The key of one object: 32 secret bytes that no other object shares.
///
/// HKDF-SHA256 of the scoped key, salt = object id, info = `vault id | u8 object kind`.
public struct ObjectKey: Sendable {
    /// The key itself.
    package let secret: SecretBytes

    /// Derives the key of the object `objectID` (16 random bytes, new for every attempt to write)
    /// of the vault `vaultID`.
    public init(scoped key: SecretBytes, objectID: [UInt8], vaultID: VaultID, kind: UInt8) {
        precondition(key.count == 32 && objectID.count == 16)
        secret = KeyDerivation.hkdf(key, salt: objectID, info: vaultID.bytes + [kind])
    }
}
