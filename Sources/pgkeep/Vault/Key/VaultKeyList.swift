import ArgumentParser
import Domain
import Sealing
import Vaulting

/// `vault key list`
struct VaultKeyList: Verb {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the key slots: what opens the vault.",
        discussion: """
            A slot of an older epoch than the vault's was left out when the keys were rotated and \
            opens nothing any more; vault key remove tidies it away.

              pgkeep vault key list
            """
    )

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        struct Slot: Encodable {
            var slot: UInt32
            var kind: String?
            var epoch: UInt32
            var created: Timestamp?
            var usable: Bool
            var inUse: Bool

            private enum CodingKeys: String, CodingKey {
                case slot, kind, epoch, created, usable
                case inUse = "in_use"
            }

            func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: CodingKeys.self)
                try container.encode(slot, forKey: .slot)
                try container.encode(kind, forKey: .kind)
                try container.encode(epoch, forKey: .epoch)
                try container.encode(created, forKey: .created)
                try container.encode(usable, forKey: .usable)
                try container.encode(inUse, forKey: .inUse)
            }
        }

        var vault: VaultID
        /// The epoch new objects are sealed under.
        var epoch: UInt32
        var slots: [Slot]
    }

    func answer(_ session: Session) throws -> Answer {
        let vault = try session.openVault()
        return Answer(
            vault: vault.id,
            epoch: vault.keys.currentEpoch,
            slots: try VaultKeys(vault, clock: session.clock).list().map {
                Answer.Slot(
                    slot: $0.number,
                    kind: $0.kind?.word,
                    epoch: $0.epoch,
                    created: $0.created,
                    usable: $0.isUsable,
                    inUse: $0.isInUse
                )
            }
        )
    }

    func lines(_ answer: Answer) -> [String] {
        var table = Table(["SLOT", "OPENED BY", "EPOCH", "ADDED", ""], numbers: [0, 2])
        for slot in answer.slots {
            let note = slot.inUse ? "in use" : slot.usable ? "" : "opens nothing"
            table.add([
                String(slot.slot), slot.kind ?? "damaged", String(slot.epoch),
                slot.created.map(Wording.time) ?? "", note,
            ])
        }
        return table.lines + ["New objects are sealed under epoch \(answer.epoch)."]
    }
}
