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

    /// Wraps `keys` in the first free slot of their epoch and writes its digest; returns the names.
    static func add(
        _ keys: EpochKeys,
        for source: KeySource,
        cost: ScryptCost,
        to vault: Vault
    ) throws -> [ObjectName] {
        var number: UInt32 = 0
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
            let seal = seal(of: name)
            let content = Seal(digest: Hex.text(SHA256.digest(bytes)))
            try vault.store.put(
                seal,
                try Sealed.encode(
                    vault,
                    seal,
                    kind: .slotSeal,
                    system: nil,
                    frames: [(.info, try ControlJSON.encode(content))]
                )
            )
            return [name, seal]
        }
    }

    /// Checks a slot against its digest, or a digest for its slot.
    static func check(_ vault: Vault, _ name: ObjectName) throws {
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
            throw PgkeepError.damaged(slot, "its digest \(seal) is missing")
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
