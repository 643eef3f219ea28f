import Domain
import Sealing
import Storage

/// Wrapped keys in the store, each with a sealed digest beside it, so that whoever holds any key
/// can tell that the slots of others are as they were written.
enum KeySlots {
    /// The content of `key/<epoch>.<slot>.seal`.
    private struct Seal: Codable {
        var digest: String
    }

    static let sealEnding = ".seal"

    static func seal(of slot: ObjectName) -> ObjectName { ObjectName(slot.text + sealEnding) }

    /// Reads a slot. Throws `.integrity` when it is another one or none.
    static func read(_ store: any ObjectStore, _ place: KeyListing.Place) throws -> KeySlot {
        let slot = try KeySlot(decoding: try store.get(place.name))
        guard slot.epoch == place.epoch, slot.number == place.number else {
            throw PgkeepError.damaged(place.name, "it is another slot")
        }
        return slot
    }

    /// Wraps `keys` in the first free slot of their epoch from `first` on and writes its digest;
    /// returns its number.
    @discardableResult
    static func add(
        _ keys: EpochKeys,
        for source: KeySource,
        from first: UInt32 = 0,
        cost: ScryptCost,
        to vault: Vault
    ) throws -> UInt32 {
        var number = first
        while true {
            let slot = try KeySlot.wrap(
                keys,
                with: source,
                number: number,
                vaultID: vault.id,
                cost: cost
            )
            let name = VaultNames.key(epoch: keys.epoch, slot: number)
            let bytes = slot.encode()
            guard try vault.store.putIfAbsent(name, bytes) else {
                number += 1
                continue
            }
            try putSeal(of: name, bytes, vault)
            return number
        }
    }

    /// Writes the digest of a slot that is known to be as it was written.
    static func putSeal(of slot: ObjectName, _ bytes: [UInt8], _ vault: Vault) throws {
        let seal = seal(of: slot)
        try vault.store.put(
            seal,
            try Sealed.encode(
                vault,
                seal,
                kind: .slotSeal,
                system: nil,
                frames: [
                    (.info, try ControlJSON.encode(Seal(digest: Hex.text(SHA256.digest(bytes)))))
                ]
            )
        )
    }

    /// Removes a slot and its digest, whatever of them is there. The slot goes first.
    static func remove(_ place: KeyListing.Place, from store: any ObjectStore) throws {
        try store.delete(place.name)
        try store.delete(seal(of: place.name))
    }

    /// Checks a slot against its digest, or a digest for its slot. Epochs that are being made are
    /// let be: nothing counts of them.
    static func check(_ vault: Vault, _ name: ObjectName) throws {
        switch KeyName(name) {
        case .pending:
            if let size = try vault.store.head(name)?.size, size > 0 {
                throw PgkeepError.damaged(name, "it is not empty")
            }
        case .slot(let epoch, _), .seal(let epoch, _):
            guard try vault.store.head(VaultNames.pendingEpoch(epoch)) == nil else { return }
            try compare(vault, name)
        case nil: throw PgkeepError.damaged(name, "it is not named like a key slot")
        }
    }

    private static func compare(_ vault: Vault, _ name: ObjectName) throws {
        let isSeal = name.text.hasSuffix(sealEnding)
        let slot = isSeal ? ObjectName(String(name.text.dropLast(sealEnding.count))) : name
        let seal = seal(of: slot)
        let bytes: [UInt8]
        do {
            bytes = try vault.store.get(slot)
        } catch let error as PgkeepError where error.code == .notFound {
            throw PgkeepError.damaged(slot, "the key slot is missing")
        }
        guard try vault.store.head(seal) != nil else {
            throw PgkeepError.damaged(
                slot,
                "its digest \(seal) is missing; remove the slot and add it again"
            )
        }
        let frames = try Sealed.decode(
            vault,
            seal,
            kinds: [.slotSeal],
            system: nil,
            bytes: try vault.store.get(seal)
        ).frames
        guard let info = frames.first, frames.count == 1 else {
            throw PgkeepError.damaged(seal, "it is no single document")
        }
        let content = try ControlJSON.decode(Seal.self, info.bytes, "\(seal)")
        guard content.digest == Hex.text(SHA256.digest(bytes)) else {
            throw PgkeepError.damaged(slot, "its content is not what was written")
        }
    }
}
