public import Domain

/// One wrapped copy of an epoch's keys, as stored in `key/<epoch>.<slot>`: 144 bytes.
///
/// Layout, integers little-endian:
///
///     0   8  magic "pgkeepKS"
///     8   2  version, 1
///     10  1  kind: 1 passphrase (scrypt), 2 key file, 3 the key of a later epoch
///     11  1  zero
///     12  4  epoch
///     16  4  slot number
///     20  4  scrypt N   (zero for kind 2, as r and p); for kind 3 the later epoch
///     24  4  scrypt r
///     28  4  scrypt p
///     32  16 salt, random
///     48  12 nonce, random
///     60  4  zero
///     64  64 AES-256-GCM ciphertext of master key (32) and fingerprint key (32)
///     128 16 tag
///
/// Associated data: bytes 0..<64, then the 16 bytes of the vault id, so no byte can be changed and
/// no slot moved to another vault, epoch or number. Wrapping key: scrypt(passphrase, salt, N, r,
/// p), or HKDF-SHA256(key file, salt, info "pgkeep v1 key file"), or HKDF-SHA256(master key of the
/// later epoch, salt, info "pgkeep v1 earlier epoch"), 32 bytes in each case.
public struct KeySlot: Sendable {
    /// What opens a slot.
    public enum Kind: UInt8, Sendable {
        /// A passphrase, through scrypt.
        case passphrase = 1
        /// A key file.
        case keyFile = 2
        /// The master key of a later epoch: whoever may read what is new may read what is old.
        case laterEpoch = 3
    }

    /// The length of an encoded slot.
    public static let encodedBytes = 144

    private static let magic = Array("pgkeepKS".utf8)
    private static let version: UInt16 = 1
    private static let clearBytes = 64

    /// What opens this slot.
    public let kind: Kind
    /// The epoch whose keys are inside.
    public let epoch: UInt32
    /// The slot's number within the epoch.
    public let number: UInt32
    /// The cost of a passphrase slot; nil for key files.
    public let cost: ScryptCost?
    /// The epoch whose master key opens this slot; nil for those operators open.
    public let opener: UInt32?

    private let salt: [UInt8]
    private let nonce: [UInt8]
    private let sealed: [UInt8]

    /// Wraps `keys` for the holder of `source`, with fresh salt and nonce.
    ///
    /// Throws `.usage` for an empty passphrase or a key that is not 32 bytes long. A later epoch's
    /// key must be of a later epoch.
    public static func wrap(
        _ keys: EpochKeys,
        with source: KeySource,
        number: UInt32,
        vaultID: VaultID,
        cost: ScryptCost = .standard
    ) throws(PgkeepError) -> KeySlot {
        var opener: UInt32?
        if case .laterEpoch(let later) = source {
            precondition(later.epoch > keys.epoch, "an earlier epoch opens no later one")
            opener = later.epoch
        }
        let slot = KeySlot(
            kind: source.kind,
            epoch: keys.epoch,
            number: number,
            cost: source.kind == .passphrase ? cost : nil,
            opener: opener,
            salt: SecureRandom.bytes(16),
            nonce: SecureRandom.bytes(GCM.nonceBytes),
            sealed: []
        )
        let gcm = GCM(key: try slot.wrappingKey(source), .seal)
        let bundle = SecretBytes(count: 64) { memory in
            keys.master.withBytes { memory.copyMemory(from: $0) }
            keys.fingerprint.withBytes {
                UnsafeMutableRawBufferPointer(rebasing: memory[32...]).copyMemory(from: $0)
            }
        }
        var sealed = [UInt8](repeating: 0, count: 64 + GCM.tagBytes)
        sealed.withUnsafeMutableBytes { output in
            bundle.withBytes { plain in
                slot.nonce.withUnsafeBytes { nonce in
                    slot.associated(vaultID).withUnsafeBytes { associated in
                        guard let nonce = nonce.baseAddress, let output = output.baseAddress else {
                            preconditionFailure("no memory")
                        }
                        gcm.seal(
                            nonce: nonce,
                            associated: associated,
                            plain,
                            to: output,
                            tag: output + 64
                        )
                    }
                }
            }
        }
        return KeySlot(
            kind: slot.kind,
            epoch: slot.epoch,
            number: number,
            cost: slot.cost,
            opener: slot.opener,
            salt: slot.salt,
            nonce: slot.nonce,
            sealed: sealed
        )
    }

    /// The keys inside. Throws `.wrongKey` when `source` is not what this slot was wrapped with, or
    /// when the slot was altered or belongs to another vault: the two cannot be told apart.
    public func unwrap(with source: KeySource, vaultID: VaultID) throws(PgkeepError) -> EpochKeys {
        guard source.kind == kind else { throw wrongKey }
        let gcm = GCM(key: try wrappingKey(source), .open)
        var opened = false
        let bundle = SecretBytes(count: 64) { output in
            sealed.withUnsafeBytes { sealed in
                nonce.withUnsafeBytes { nonce in
                    associated(vaultID).withUnsafeBytes { associated in
                        guard let nonce = nonce.baseAddress, let base = sealed.baseAddress else {
                            preconditionFailure("no memory")
                        }
                        opened = gcm.open(
                            nonce: nonce,
                            associated: associated,
                            UnsafeRawBufferPointer(rebasing: sealed[..<64]),
                            to: output.baseAddress,
                            tag: base + 64
                        )
                    }
                }
            }
        }
        guard opened else { throw wrongKey }
        return bundle.withBytes { bytes in
            EpochKeys(
                epoch: epoch,
                master: SecretBytes(copying: UnsafeRawBufferPointer(rebasing: bytes[..<32])),
                fingerprint: SecretBytes(copying: UnsafeRawBufferPointer(rebasing: bytes[32...]))
            )
        }
    }

    private var wrongKey: PgkeepError {
        switch kind {
        case .passphrase:
            PgkeepError(
                .wrongKey,
                "the passphrase does not open key slot \(epoch).\(number)",
                hint: "check PGKEEP_PASSPHRASE, PGKEEP_PASSPHRASE_FILE or PGKEEP_PASSPHRASE_COMMAND"
            )
        case .keyFile:
            PgkeepError(
                .wrongKey,
                "the key file does not open key slot \(epoch).\(number)",
                hint: "pass the key file of this very vault with --key-file or PGKEEP_KEY_FILE"
            )
        case .laterEpoch:
            PgkeepError(
                .wrongKey,
                "the keys of epoch \(opener ?? 0) do not open key slot \(epoch).\(number)",
                hint: "run pgkeep vault check to see what else is damaged"
            )
        }
    }

    private func wrappingKey(_ source: KeySource) throws(PgkeepError) -> SecretBytes {
        switch source {
        case .passphrase(let secret):
            guard secret.count > 0 else {
                throw PgkeepError(
                    .usage,
                    "the passphrase is empty",
                    hint: "set PGKEEP_PASSPHRASE to a real one"
                )
            }
            guard let cost else { throw wrongKey }
            return try secret.withBytes { bytes throws(PgkeepError) in
                try KeyDerivation.scrypt(bytes, salt: salt, cost: cost)
            }
        case .keyFile(let secret):
            guard secret.count == 32 else {
                throw PgkeepError(
                    .usage,
                    "a key has \(secret.count) bytes, not 32",
                    hint: "pass a key file written by pgkeep vault init or vault key add"
                )
            }
            return KeyDerivation.hkdf(secret, salt: salt, info: Array("pgkeep v1 key file".utf8))
        case .laterEpoch(let keys):
            guard keys.epoch == opener else { throw wrongKey }
            return KeyDerivation.hkdf(
                keys.master,
                salt: salt,
                info: Array("pgkeep v1 earlier epoch".utf8)
            )
        }
    }

    private func associated(_ vaultID: VaultID) -> [UInt8] { clear + vaultID.bytes }
}

// MARK: - Bytes

extension KeySlot {
    private var clear: [UInt8] {
        func word(_ value: UInt32) -> [UInt8] {
            withUnsafeBytes(of: value.littleEndian, Array.init)
        }
        return Self.magic + withUnsafeBytes(of: Self.version.littleEndian, Array.init)
            + [kind.rawValue, 0] + word(epoch) + word(number) + word(cost?.n ?? opener ?? 0)
            + word(cost?.r ?? 0) + word(cost?.p ?? 0) + salt + nonce + word(0)
    }

    /// The 144 bytes to store.
    public func encode() -> [UInt8] { clear + sealed }

    /// Reads stored bytes. Throws `.vaultVersion` for a later version, `.integrity` for anything
    /// that is no slot, including costs beyond the limits of `ScryptCost`.
    public init(decoding bytes: [UInt8]) throws(PgkeepError) {
        func word(_ offset: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << (8 * UInt32($1)) }
        }
        guard bytes.count >= 10, Array(bytes[..<8]) == Self.magic else {
            throw Self.malformed("this is no key slot")
        }
        let version = UInt16(bytes[8]) | UInt16(bytes[9]) << 8
        guard version <= Self.version else {
            throw PgkeepError(
                .vaultVersion,
                "the key slot has version \(version), unknown to this program",
                hint: "use the version of pgkeep that wrote it, or a newer one"
            )
        }
        guard version == Self.version, bytes.count == Self.encodedBytes,
            let kind = Kind(rawValue: bytes[10]), bytes[11] == 0, word(60) == 0
        else { throw Self.malformed("the key slot is damaged") }
        let cost = kind == .passphrase ? ScryptCost(n: word(20), r: word(24), p: word(28)) : nil
        switch kind {
        case .passphrase where cost == nil:
            throw Self.malformed("the key slot asks for an absurd amount of work")
        case .keyFile where word(20) | word(24) | word(28) != 0,
            .laterEpoch where word(20) <= word(12) || word(24) | word(28) != 0:
            throw Self.malformed("the key slot is damaged")
        default: break
        }
        self.init(
            kind: kind,
            epoch: word(12),
            number: word(16),
            cost: cost,
            opener: kind == .laterEpoch ? word(20) : nil,
            salt: Array(bytes[32..<48]),
            nonce: Array(bytes[48..<60]),
            sealed: Array(bytes[Self.clearBytes...])
        )
    }

    private static func malformed(_ message: String) -> PgkeepError {
        PgkeepError(
            .integrity,
            message,
            hint: "open the vault with another key slot or restore this one"
        )
    }
}
