public import Domain
public import Platform
public import Sealing
import Storage

/// Who can open a vault: lists its key slots, adds, removes and rotates them.
///
/// A holder's slot has one number in all epochs. Only slots of the newest epoch open the vault;
/// the keys of older epochs are wrapped under the newest one's, so what opens it opens everything,
/// and a secret that was left out of a rotation opens nothing written after it.
public struct VaultKeys: Sendable {
    /// One holder's slot.
    public struct Slot: Hashable, Sendable {
        /// Its number.
        public var number: UInt32
        /// What opens it; nil when the slot cannot be read.
        public var kind: KeySlot.Kind?
        /// The newest epoch it was wrapped for.
        public var epoch: UInt32
        /// When it was added, by the store's clock; nil for a slot that is lost.
        public var created: Timestamp?
        /// True when it opens the vault: it is of the newest epoch and can be read.
        public var isUsable: Bool
        /// True when the vault was opened with it just now.
        public var isInUse: Bool
    }

    /// What a rotation did.
    public struct Rotation: Hashable, Sendable {
        /// The epoch that new objects are sealed under from now on.
        public var epoch: UInt32
        /// The slots that open it.
        public var kept: [UInt32]
        /// The slots removed, since their secrets were not at hand.
        public var dropped: [UInt32]

        package init(epoch: UInt32, kept: [UInt32], dropped: [UInt32]) {
            self.epoch = epoch
            self.kept = kept
            self.dropped = dropped
        }
    }

    private let vault: Vault
    private let clock: any Clock
    private let holder: ProcessIdentity

    /// The keys of an opened vault. Throws `.refused` when only WAL is held.
    public init(_ vault: Vault, clock: any Clock = SystemClock()) throws(PgkeepError) {
        try self.init(vault, clock: clock, holder: .current())
    }

    /// As if another process changed them.
    package init(
        _ vault: Vault,
        clock: any Clock = SystemClock(),
        holder: ProcessIdentity
    ) throws(PgkeepError) {
        _ = try vault.keys.epochKeys()
        self.vault = vault
        self.clock = clock
        self.holder = holder
    }

    // MARK: Listing

    /// All holders' slots, by number.
    public func list() throws -> [Slot] { try slots(in: KeyListing(vault.store)) }

    private func slots(in listing: KeyListing) throws -> [Slot] {
        let newest = listing.epochs.first ?? 0
        var found: [UInt32: Slot] = [:]
        // A digest alone tells of a slot that is lost.
        for place in Set(listing.slots.keys).union(listing.seals) {
            let object = listing.slots[place]
            let kind = object == nil ? nil : try self.kind(of: place)
            if kind == .laterEpoch { continue }
            var slot = Slot(
                number: place.number,
                kind: kind,
                epoch: place.epoch,
                created: object?.modified,
                isUsable: place.epoch == newest && kind != nil,
                isInUse: place.number == vault.slot && place.epoch == newest
            )
            if let other = found[place.number] {
                let created = [other.created, slot.created].compactMap { $0 }.min()
                if other.epoch > slot.epoch { slot = other }
                slot.created = created
            }
            found[place.number] = slot
        }
        return found.values.sorted { $0.number < $1.number }
    }

    private func kind(of place: KeyListing.Place) throws -> KeySlot.Kind? {
        do {
            return try KeySlots.read(vault.store, place).kind
        } catch let error as PgkeepError where error.code != .storeUnreachable {
            return nil
        }
    }

    // MARK: Adding

    /// Lets the holder of `source` open the vault. Durable on return; gives the slot's number.
    ///
    /// Throws `.exists` when it opens a slot already, `.busy` when others change the slots.
    public func add(_ source: KeySource, cost: ScryptCost = .standard) throws -> UInt32 {
        try KeyChange.run(vault, "key add", holder, clock: clock) { _ in
            let listing = try current()
            for place in listing.places(of: vault.keys.currentEpoch) {
                guard try opens(place, source) else { continue }
                throw PgkeepError(
                    .exists,
                    "this key opens slot \(place.number) already",
                    hint: "give another one, or leave it at that"
                )
            }
            // Whoever is added later opens older epochs by these alone.
            try tie(vault)
            return try KeySlots.add(
                try newest(),
                for: source,
                from: try KeyListing(vault.store).highest.number + 1,
                cost: cost,
                to: vault
            )
        }
    }

    // MARK: Removing

    /// Removes a holder's slot in every epoch. What it could open before can still be opened by
    /// whoever kept a copy of it: only a rotation puts new objects out of reach.
    ///
    /// Throws `.notFound` when there is none, `.refused` for the slot the vault was opened with (so
    /// never the last one), `.busy` when others change the slots.
    public func remove(_ number: UInt32) throws {
        try KeyChange.run(vault, "key remove", holder, clock: clock) { _ in
            let listing = try current()
            try requireAllEpochs(listing)
            let places = Set(listing.slots.keys).union(listing.seals)
                .filter { $0.number == number }
            guard !places.isEmpty else {
                throw PgkeepError(
                    .notFound,
                    "there is no key slot \(number)",
                    hint: "list them with pgkeep vault key list"
                )
            }
            let slots = try slots(in: listing)
            guard number != vault.slot else { throw inUse(slots.count(where: \.isUsable) == 1) }
            for place in places where listing.slots[place] != nil {
                guard try kind(of: place) != .laterEpoch else {
                    throw PgkeepError(
                        .refused,
                        "slot \(number) is nobody's: it ties the vault's epochs together",
                        hint: "list the slots that can be removed with pgkeep vault key list"
                    )
                }
            }
            // Older epochs must not depend on the slot that goes.
            try tie(vault)
            for place in places.sorted(by: { $0.epoch > $1.epoch }) {
                try KeySlots.remove(place, from: vault.store)
            }
        }
    }

    private func inUse(_ isLast: Bool) -> PgkeepError {
        isLast
            ? PgkeepError(
                .refused,
                "this is the last key slot: without it nobody could open the vault ever again",
                hint: "add another key first: pgkeep vault key add"
            )
            : PgkeepError(
                .refused,
                "this slot has just opened the vault; the others are not known to open it",
                hint: "run the command with the key that shall stay"
            )
    }

    // MARK: Rotating

    /// Begins a new epoch: a new master key for everything written from now on, wrapped for the
    /// holders of `sources`, of which one opened the vault. The fingerprint key stays.
    ///
    /// Order of events: the epoch is marked pending; slots with their digests; the mark is removed,
    /// which is the commit; older epochs are wrapped under the new one; slots of holders left out
    /// are removed. A crash before the commit leaves slots that nobody looks at.
    ///
    /// Throws `.refused`, naming them, when there are slots that no given source opens, unless
    /// `dropsOthers`; `.wrongKey` when a source opens none; `.busy` when others change the slots.
    public func rotate(
        keeping sources: [KeySource],
        dropsOthers: Bool,
        cost: ScryptCost = .standard
    ) throws -> Rotation {
        try KeyChange.run(vault, "key rotate", holder, clock: clock) { change in
            let listing = try current()
            try requireAllEpochs(listing)
            let kept = try match(sources, listing)
            let others = try slots(in: listing).filter { kept[$0.number] == nil }
            let usable = others.filter(\.isUsable).map(\.number)
            guard dropsOthers || usable.isEmpty else { throw leftOut(usable) }
            try tie(vault)
            let epoch = try begin(after: listing.highest.epoch)
            let keys = EpochKeys.generate(
                epoch: epoch,
                fingerprint: try vault.keys.fingerprintKey()
            )
            for (number, source) in kept.sorted(by: { $0.key < $1.key }) {
                try KeySlots.add(keys, for: source, from: number, cost: cost, to: vault)
            }
            try change.verify()
            try vault.store.delete(VaultNames.pendingEpoch(epoch))
            try tie(vault.holding(keys))
            let dropped = dropsOthers ? others.map(\.number) : []
            for place in Set(listing.slots.keys).union(listing.seals)
            where dropped.contains(place.number) {
                try KeySlots.remove(place, from: vault.store)
            }
            return Rotation(epoch: epoch, kept: kept.keys.sorted(), dropped: dropped)
        }
    }

    /// Which slot each source opens.
    private func match(
        _ sources: [KeySource],
        _ listing: KeyListing
    ) throws -> [UInt32: KeySource] {
        let places = listing.places(of: vault.keys.currentEpoch)
        var kept: [UInt32: KeySource] = [:]
        for (position, source) in sources.enumerated() {
            guard let place = try places.first(where: { try opens($0, source) }) else {
                throw PgkeepError(
                    .wrongKey,
                    "the \(source.kind == .passphrase ? "passphrase" : "key file") to keep, number"
                        + " \(position + 1), opens no slot of this vault",
                    hint: "list the slots with pgkeep vault key list"
                )
            }
            kept[place.number] = source
        }
        guard let own = vault.slot, kept[own] != nil else {
            throw PgkeepError(
                .refused,
                "the key in use is not among those to be kept",
                hint: "run the command with a key that shall stay"
            )
        }
        return kept
    }

    private func leftOut(_ others: [UInt32]) -> PgkeepError {
        let names = others.map(String.init).joined(separator: ", ")
        return PgkeepError(
            .refused,
            "key slots whose secrets are not at hand could not open anything new: \(names)",
            hint: "give them with --keep-key-file or PGKEEP_KEEP_PASSPHRASE, or remove these slots"
                + " with --drop-other-slots and add them again later"
        )
    }

    /// Marks the next free epoch as being made. Numbers of interrupted rotations stay unused.
    private func begin(after last: UInt32) throws -> UInt32 {
        var epoch = last + 1
        while try !vault.store.putIfAbsent(VaultNames.pendingEpoch(epoch), []) { epoch += 1 }
        return epoch
    }

    // MARK: Pieces

    /// The slots as they are now. Throws `.busy` when the newest epoch is not the one held.
    private func current() throws -> KeyListing {
        let listing = try KeyListing(vault.store)
        guard listing.epochs.first == vault.keys.currentEpoch else {
            throw PgkeepError(
                .busy,
                "the vault's keys were rotated just now",
                hint: "run the command again"
            )
        }
        return listing
    }

    /// Nothing may be taken away by who cannot open all of it.
    private func requireAllEpochs(_ listing: KeyListing) throws {
        let missing = Set(listing.epochs).subtracting(vault.keys.epochs).sorted()
        guard missing.isEmpty else {
            throw PgkeepError(
                .wrongKey,
                "the key in use does not open epoch \(missing[0]): others may be needed for it",
                hint: "run pgkeep vault check; use a key that opens every epoch"
            )
        }
    }

    private func newest() throws -> EpochKeys {
        guard let keys = try vault.keys.epochKeys().last else {
            preconditionFailure("a ring without keys")
        }
        return keys
    }

    private func opens(_ place: KeyListing.Place, _ source: KeySource) throws -> Bool {
        do {
            let slot = try KeySlots.read(vault.store, place)
            guard slot.kind == source.kind else { return false }
            _ = try slot.unwrap(with: source, vaultID: vault.id)
            return true
        } catch let error as PgkeepError where error.code != .storeUnreachable {
            return false
        }
    }

    /// Wraps every older epoch's keys under those of the newest, where that is not done yet.
    private func tie(_ vault: Vault) throws {
        let all = try vault.keys.epochKeys()
        guard let newest = all.last else { return }
        let listing = try KeyListing(vault.store)
        for keys in all.dropLast() {
            let key = KeySource.laterEpoch(newest)
            let tied = try listing.places(of: keys.epoch).first { try opens($0, key) }
            if let tied {
                guard !listing.seals.contains(tied) else { continue }
                let bytes = try vault.store.get(tied.name)
                try KeySlots.putSeal(of: tied.name, bytes, vault)
            } else {
                let first = listing.highest.number + 1
                try KeySlots.add(keys, for: key, from: first, cost: .standard, to: vault)
            }
        }
    }
}
