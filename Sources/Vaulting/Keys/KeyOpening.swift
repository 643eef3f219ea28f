import Domain
import Sealing
import Storage

/// Finds all keys of a vault that one secret opens.
///
/// The newest epoch's slots decide: what does not open one of them opens nothing, also when an
/// older epoch's slot is still there, or whoever was left out of a rotation would go on writing
/// under keys that were given up. The older epochs follow from the newest by its own key.
struct KeyOpening {
    private let store: any ObjectStore
    private let vaultID: VaultID
    private let listing: KeyListing
    private let source: KeySource

    init(_ store: any ObjectStore, _ vaultID: VaultID, _ source: KeySource) throws {
        self.store = store
        self.vaultID = vaultID
        self.source = source
        listing = try KeyListing(store)
    }

    /// The keys by epoch, and the number of the slot that opened.
    func run() throws -> (epochs: [EpochKeys], slot: UInt32) {
        guard let newest = listing.epochs.first else { throw noSlot }
        var refusal: PgkeepError?
        for place in listing.places(of: newest) {
            do {
                guard let keys = try unwrap(place, with: source) else { continue }
                return (try [keys] + older(than: keys, place.number), place.number)
            } catch let error as PgkeepError where error.code != .storeUnreachable {
                // A damaged slot must not keep another one from opening the vault.
                if refusal == nil || error.code != .wrongKey { refusal = error }
            }
        }
        if refusal == nil || refusal?.code == .wrongKey, let old = try oldEpoch(before: newest) {
            throw PgkeepError(
                .wrongKey,
                "this key was left out when the vault's keys were rotated: it opens epoch \(old)"
                    + " only, the vault is at epoch \(newest)",
                hint: "use a key that was kept or added since; see pgkeep vault key list"
            )
        }
        throw refusal ?? noSlot
    }

    /// The keys of all older epochs that can be had: each from the key of a later one, else from
    /// what opened the newest. One that cannot be had is missed when something of it is read.
    private func older(than newest: EpochKeys, _ number: UInt32) throws -> [EpochKeys] {
        var held = [newest.epoch: newest]
        for epoch in listing.epochs where epoch < newest.epoch {
            let places = listing.places(of: epoch)
            let own = places.filter { $0.number == number }
            let ways =
                held.values.sorted { $0.epoch > $1.epoch }
                .map { (KeySource.laterEpoch($0), places) } + [(source, own), (source, places)]
            search: for (key, places) in ways {
                for place in places {
                    if let keys = try unwrapped(place, with: key) {
                        held[epoch] = keys
                        break search
                    }
                }
            }
        }
        held[newest.epoch] = nil
        return Array(held.values)
    }

    /// The newest epoch before `newest` that this key opens; nil when it opens none.
    private func oldEpoch(before newest: UInt32) throws -> UInt32? {
        try listing.epochs.first { epoch in
            try epoch < newest
                && listing.places(of: epoch).contains {
                    try unwrapped($0, with: source) != nil
                }
        }
    }

    /// As `unwrap`, nil for whatever is wrong with the slot.
    private func unwrapped(
        _ place: KeyListing.Place,
        with source: KeySource
    ) throws -> EpochKeys? {
        do {
            return try unwrap(place, with: source)
        } catch let error as PgkeepError where error.code != .storeUnreachable {
            return nil
        }
    }

    /// The keys in a slot; nil when it is for another kind of key.
    private func unwrap(_ place: KeyListing.Place, with source: KeySource) throws -> EpochKeys? {
        let slot = try KeySlots.read(store, place)
        guard slot.kind == source.kind else { return nil }
        return try slot.unwrap(with: source, vaultID: vaultID)
    }

    private var noSlot: PgkeepError {
        switch source.kind {
        case .passphrase:
            PgkeepError(
                .wrongKey,
                "no key slot of this vault takes a passphrase",
                hint: "pass the key file with --key-file or PGKEEP_KEY_FILE"
            )
        case .keyFile, .laterEpoch:
            PgkeepError(
                .wrongKey,
                "no key slot of this vault takes a key file",
                hint: "give the passphrase in PGKEEP_PASSPHRASE or PGKEEP_PASSPHRASE_FILE"
            )
        }
    }
}
