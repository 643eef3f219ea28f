public import Domain
public import Platform
public import Sealing
public import Storage

/// An opened vault: a store, its identity and the keys held. Shared by all threads.
public final class Vault: Sendable {
    /// Who it is.
    public let id: VaultID
    /// Where its objects are.
    public let store: any ObjectStore
    /// The keys held: all, or those of one instance's WAL.
    public let keys: KeyRing
    /// When it was made.
    public let created: Timestamp

    private init(id: VaultID, store: any ObjectStore, keys: KeyRing, created: Timestamp) {
        self.id = id
        self.store = store
        self.keys = keys
        self.created = created
    }

    /// A fresh identity, for whoever must name a vault's key file before the vault is made.
    public static func newID() -> VaultID { VaultID(random: (randomWord(), randomWord())) }

    /// The identity of the vault in a store, which takes no key to read.
    ///
    /// Throws `.notFound` when there is none, `.vaultVersion` when a newer pgkeep made it.
    public static func identity(of store: any ObjectStore) throws -> VaultID {
        try readFile(store).vaultID
    }

    /// Makes a vault in an empty store. Durable on return.
    ///
    /// The key slot comes first and `vault.json` last, put-if-absent, so a crash leaves no vault
    /// and of two racing calls one wins. Throws `.exists` when a vault is there already.
    public static func create(
        store: any ObjectStore,
        keySource: KeySource,
        id: VaultID = newID(),
        clock: any Clock = SystemClock(),
        cost: ScryptCost = .standard
    ) throws -> Vault {
        guard try store.head(VaultNames.vaultFile) == nil else { throw exists(store) }
        let keys = EpochKeys.generate(epoch: 1)
        let now = Timestamp(seconds: clock.now.seconds)
        let vault = Vault(id: id, store: store, keys: KeyRing(epochs: [keys]), created: now)
        let slot = try KeySlots.add(keys, for: keySource, cost: cost, to: vault)
        let file = VaultFile(vaultID: id, created: now).sealed(with: keys.fingerprint)
        guard try store.putIfAbsent(VaultNames.vaultFile, file.encoded()) else {
            // Ours fits no vault now; losing it to a crash here would harm nobody either.
            for name in slot { try store.delete(name) }
            throw exists(store)
        }
        return vault
    }

    /// Opens a vault with a passphrase or key file.
    ///
    /// Throws `.notFound` when there is none, `.vaultVersion` when a newer pgkeep made it,
    /// `.wrongKey` when no slot opens, `.integrity` when `vault.json` or the slots are damaged.
    public static func open(store: any ObjectStore, keySource: KeySource) throws -> Vault {
        let file = try readFile(store)
        var epochs: [UInt32: EpochKeys] = [:]
        var refusal: PgkeepError?
        for information in try store.list(prefix: VaultNames.keyPrefix)
        where !information.name.text.hasSuffix(KeySlots.sealEnding) {
            do {
                let slot = try KeySlot(decoding: try store.get(information.name))
                guard slot.kind == keySource.kind, epochs[slot.epoch] == nil else { continue }
                guard information.name == VaultNames.key(epoch: slot.epoch, slot: slot.number)
                else { throw PgkeepError.damaged(information.name, "it is another slot") }
                epochs[slot.epoch] = try slot.unwrap(with: keySource, vaultID: file.vaultID)
            } catch let error as PgkeepError where error.code != .storeUnreachable {
                // A damaged slot must not keep another one from opening the vault.
                if refusal == nil || error.code != .wrongKey { refusal = error }
            }
        }
        guard let newest = epochs.values.max(by: { $0.epoch < $1.epoch }) else {
            throw refusal ?? noSlot(keySource.kind)
        }
        guard epochs.values.allSatisfy({ file.fits($0.fingerprint) }) else {
            throw PgkeepError.damaged(VaultNames.vaultFile, "its seal is broken")
        }
        precondition(epochs[newest.epoch] != nil)
        return Vault(
            id: file.vaultID,
            store: store,
            keys: KeyRing(epochs: Array(epochs.values)),
            created: Timestamp(file.created) ?? Timestamp(seconds: 0)
        )
    }

    /// Opens a vault with the WAL keys of one instance, which is all that can be read then.
    public static func open(store: any ObjectStore, walKeys: KeyRing) throws -> Vault {
        let file = try readFile(store)
        return Vault(
            id: file.vaultID,
            store: store,
            keys: walKeys,
            created: Timestamp(file.created) ?? Timestamp(seconds: 0)
        )
    }

    /// The key of the object with this header.
    func objectKey(
        _ header: ObjectHeader,
        system: SystemIdentifier?
    ) throws(PgkeepError) -> ObjectKey {
        let scoped = try keys.scopedKey(
            epoch: header.epoch,
            purpose: header.purpose,
            scope: system?.rawValue ?? 0
        )
        return ObjectKey(
            scoped: scoped,
            objectID: header.objectID,
            vaultID: id,
            kind: header.kind.rawValue
        )
    }

    /// Throws `.integrity` unless `vault.json` is there as it was written.
    func verifyFile() throws {
        let file = try Self.readFile(store)
        guard file.vaultID == id, file.fits(try keys.fingerprintKey()) else {
            throw PgkeepError.damaged(VaultNames.vaultFile, "its seal is broken")
        }
    }

    static func randomWord() -> UInt64 {
        SecureRandom.bytes(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func readFile(_ store: any ObjectStore) throws -> VaultFile {
        let bytes: [UInt8]
        do {
            bytes = try store.get(VaultNames.vaultFile)
        } catch let error as PgkeepError where error.code == .notFound {
            throw PgkeepError(
                .notFound,
                "there is no vault in \(store.location)",
                hint: "run pgkeep vault init, or point --vault at the right place",
                cause: error
            )
        }
        return try VaultFile(decoding: bytes, location: store.location)
    }

    private static func exists(_ store: any ObjectStore) -> PgkeepError {
        PgkeepError(
            .exists,
            "there is a vault in \(store.location) already",
            hint: "use it as it is, or choose another place"
        )
    }

    private static func noSlot(_ kind: KeySlot.Kind) -> PgkeepError {
        switch kind {
        case .passphrase:
            PgkeepError(
                .wrongKey,
                "no key slot of this vault takes a passphrase",
                hint: "pass the key file with --key-file or PGKEEP_KEY_FILE"
            )
        case .keyFile:
            PgkeepError(
                .wrongKey,
                "no key slot of this vault takes a key file",
                hint: "give the passphrase in PGKEEP_PASSPHRASE or PGKEEP_PASSPHRASE_FILE"
            )
        }
    }
}
