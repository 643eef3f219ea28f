public import Domain

/// Gives out purpose keys: either all of them, or only those of one instance's WAL.
///
/// The second kind is what a restored server's `restore_command` is left with; everything else it
/// is asked for throws `.refused`.
public struct KeyRing: Sendable {
    private enum Holding: Sendable {
        case all([UInt32: EpochKeys], fingerprint: SecretBytes)
        case wal([UInt32: SecretBytes], scope: UInt64)
    }
    private let holding: Holding

    /// The epoch new objects use: the highest one held.
    public let currentEpoch: UInt32

    /// A full ring of at least one epoch; all epochs must carry the same fingerprint key.
    public init(epochs: [EpochKeys]) {
        guard let newest = epochs.max(by: { $0.epoch < $1.epoch }) else {
            preconditionFailure("a key ring without keys")
        }
        precondition(epochs.allSatisfy { $0.fingerprint == newest.fingerprint })
        holding = .all(
            Dictionary(epochs.map { ($0.epoch, $0) }) { first, _ in first },
            fingerprint: newest.fingerprint
        )
        currentEpoch = newest.epoch
    }

    /// A ring of what `walKeys(scope:)` gave: the WAL keys of the instance `scope`, by epoch.
    public init(walOnly keys: [UInt32: SecretBytes], scope: UInt64) {
        precondition(!keys.isEmpty && keys.values.allSatisfy { $0.count == 32 })
        holding = .wal(keys, scope: scope)
        currentEpoch = keys.keys.max() ?? 0
    }

    /// The epochs held, lowest first.
    public var epochs: [UInt32] {
        switch holding {
        case .all(let keys, _): keys.keys.sorted()
        case .wal(let keys, _): keys.keys.sorted()
        }
    }

    /// The key for one purpose and one instance: HKDF-SHA256 of the epoch's master key, no salt,
    /// with the info `"pgkeep v1 " | u8 purpose | u64 scope big-endian`. `scope` is the system
    /// identifier, 0 for what belongs to the whole vault. 32 bytes.
    ///
    /// Throws `.wrongKey` for an epoch not held, `.refused` when only WAL of an instance is held.
    public func scopedKey(
        epoch: UInt32,
        purpose: KeyPurpose,
        scope: UInt64
    ) throws(PgkeepError) -> SecretBytes {
        switch holding {
        case .all(let keys, _):
            guard let found = keys[epoch] else { throw Self.missing(epoch) }
            return Self.derive(found.master, purpose, scope)
        case .wal(let keys, let held):
            guard purpose == .wal, scope == held else { throw Self.restricted }
            guard let key = keys[epoch] else { throw Self.rotated(epoch) }
            return key
        }
    }

    /// The keys of every epoch held, lowest first, for wrapping them anew. Throws `.refused` when
    /// only WAL is held.
    public func epochKeys() throws(PgkeepError) -> [EpochKeys] {
        guard case .all(let keys, _) = holding else { throw Self.restricted }
        return keys.values.sorted { $0.epoch < $1.epoch }
    }

    /// The key of page fingerprints. Throws `.refused` when only WAL is held.
    public func fingerprintKey() throws(PgkeepError) -> SecretBytes {
        guard case .all(_, let fingerprint) = holding else { throw Self.restricted }
        return fingerprint
    }

    /// The keys with which the WAL of one instance, and nothing else, can be opened, by epoch;
    /// empty when this ring is restricted to another instance.
    public func walKeys(scope: UInt64) -> [UInt32: SecretBytes] {
        switch holding {
        case .all(let keys, _): keys.mapValues { Self.derive($0.master, .wal, scope) }
        case .wal(let keys, let held): held == scope ? keys : [:]
        }
    }

    private static func derive(
        _ master: SecretBytes,
        _ purpose: KeyPurpose,
        _ scope: UInt64
    ) -> SecretBytes {
        let scope = withUnsafeBytes(of: scope.bigEndian) { [UInt8]($0) }
        return KeyDerivation.hkdf(
            master,
            salt: [],
            info: Array("pgkeep v1 ".utf8) + [purpose.rawValue] + scope
        )
    }

    private static func missing(_ epoch: UInt32) -> PgkeepError {
        PgkeepError(
            .wrongKey,
            "the key of epoch \(epoch) is not among those this key opens",
            hint: "use a key that opens every epoch of the vault"
        )
    }

    /// A key of WAL alone holds every epoch there was when it was made. That it opens no later one
    /// is what a rotation is for.
    private static func rotated(_ epoch: UInt32) -> PgkeepError {
        PgkeepError(
            .wrongKey,
            "the vault's keys were rotated after this WAL key was made: it does not open epoch "
                + "\(epoch)",
            hint: "run pgkeep restore start again, or write --key-file FILE for --wal-key FILE in "
                + "restore_command (postgresql.auto.conf) and start the server again"
        )
    }

    private static var restricted: PgkeepError {
        PgkeepError(
            .refused,
            "this key opens the WAL of one instance and nothing else",
            hint: "use the vault's key file or passphrase"
        )
    }
}
