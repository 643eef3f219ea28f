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
    /// The number of the key slot that opened it; nil when WAL keys did.
    public let slot: UInt32?

    private init(
        id: VaultID,
        store: any ObjectStore,
        keys: KeyRing,
        created: Timestamp,
        slot: UInt32?
    ) {
        self.id = id
        self.store = store
        self.keys = keys
        self.created = created
        self.slot = slot
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
        let ring = KeyRing(epochs: [keys])
        let draft = Vault(id: id, store: store, keys: ring, created: now, slot: nil)
        let slot = try KeySlots.add(keys, for: keySource, cost: cost, to: draft)
        let file = VaultFile(vaultID: id, created: now).sealed(with: keys.fingerprint)
        guard try store.putIfAbsent(VaultNames.vaultFile, file.encoded()) else {
            // Ours fits no vault now; losing it to a crash here would harm nobody either.
            try KeySlots.remove(KeyListing.Place(epoch: keys.epoch, number: slot), from: store)
            throw exists(store)
        }
        return Vault(id: id, store: store, keys: ring, created: now, slot: slot)
    }

    /// Opens a vault with a passphrase or key file.
    ///
    /// Throws `.notFound` when there is none, `.vaultVersion` when a newer pgkeep made it,
    /// `.wrongKey` when no slot of the newest epoch opens, `.integrity` when `vault.json` or the
    /// slots are damaged.
    public static func open(store: any ObjectStore, keySource: KeySource) throws -> Vault {
        let file = try readFile(store)
        let (epochs, slot) = try KeyOpening(store, file.vaultID, keySource).run()
        guard epochs.allSatisfy({ file.fits($0.fingerprint) }) else {
            throw PgkeepError.damaged(VaultNames.vaultFile, "its seal is broken")
        }
        return Vault(
            id: file.vaultID,
            store: store,
            keys: KeyRing(epochs: epochs),
            created: Timestamp(file.created) ?? Timestamp(seconds: 0),
            slot: slot
        )
    }

    /// Opens a vault with the WAL keys of one instance, which is all that can be read then.
    public static func open(store: any ObjectStore, walKeys: KeyRing) throws -> Vault {
        let file = try readFile(store)
        return Vault(
            id: file.vaultID,
            store: store,
            keys: walKeys,
            created: Timestamp(file.created) ?? Timestamp(seconds: 0),
            slot: nil
        )
    }

    /// This vault with the keys of one epoch more.
    func holding(_ more: EpochKeys) throws -> Vault {
        Vault(
            id: id,
            store: store,
            keys: KeyRing(epochs: try keys.epochKeys() + [more]),
            created: created,
            slot: slot
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
}
