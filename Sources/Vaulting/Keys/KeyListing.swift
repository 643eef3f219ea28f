import Domain
import Storage

/// What a name under `key/` stands for.
enum KeyName: Hashable {
    /// A wrapped copy of an epoch's keys.
    case slot(epoch: UInt32, number: UInt32)
    /// The digest of a slot.
    case seal(epoch: UInt32, number: UInt32)
    /// The epoch is being made: nothing of it counts yet.
    case pending(epoch: UInt32)

    init?(_ name: ObjectName) {
        guard name.text.hasPrefix(VaultNames.keyPrefix) else { return nil }
        let parts = name.text.dropFirst(VaultNames.keyPrefix.utf8.count)
            .split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count >= 2, let epoch = UInt32(parts[0]) else { return nil }
        if parts.count == 2, parts[1] == "pending" {
            self = .pending(epoch: epoch)
            return
        }
        guard let number = UInt32(parts[1]) else { return nil }
        switch parts.count {
        case 2: self = .slot(epoch: epoch, number: number)
        case 3 where parts[2] == "seal": self = .seal(epoch: epoch, number: number)
        default: return nil
        }
    }
}

/// The key slots of a vault as one listing shows them.
struct KeyListing {
    /// A slot's place.
    struct Place: Hashable {
        var epoch: UInt32
        var number: UInt32

        var name: ObjectName { VaultNames.key(epoch: epoch, slot: number) }
    }

    /// The slots of epochs that count.
    private(set) var slots: [Place: ObjectInfo] = [:]
    /// The digests of epochs that count.
    private(set) var seals: Set<Place> = []
    /// Epochs that are being made, or whose making was interrupted.
    private(set) var pending: Set<UInt32> = []
    /// The highest numbers any name has.
    private(set) var highest = Place(epoch: 0, number: 0)

    init(_ store: any ObjectStore) throws {
        let objects = try store.list(prefix: VaultNames.keyPrefix)
        for object in objects {
            switch KeyName(object.name) {
            case .slot(let epoch, let number):
                slots[Place(epoch: epoch, number: number)] = object
                count(epoch, number)
            case .seal(let epoch, let number):
                seals.insert(Place(epoch: epoch, number: number))
                count(epoch, number)
            case .pending(let epoch):
                pending.insert(epoch)
                count(epoch, 0)
            case nil: continue
            }
        }
        slots = slots.filter { !pending.contains($0.key.epoch) }
        seals = seals.filter { !pending.contains($0.epoch) }
    }

    private mutating func count(_ epoch: UInt32, _ number: UInt32) {
        highest.epoch = max(highest.epoch, epoch)
        highest.number = max(highest.number, number)
    }

    /// The epochs that count, newest first.
    var epochs: [UInt32] { Set(slots.keys.map(\.epoch)).sorted(by: >) }

    /// The slots of an epoch, by number.
    func places(of epoch: UInt32) -> [Place] {
        slots.keys.filter { $0.epoch == epoch }.sorted { $0.number < $1.number }
    }
}
