import Domain
import Platform
import Storage

/// All roots of an instance as they stood together at one moment: condemned ones too.
struct PresentRoots {
    /// Roots and tombstones listed.
    var marks: Set<PointID> = []
    /// The points whose roots are there.
    var points: [PointID: RecoveryPoint] = [:]
    /// All packs the roots need.
    var live: Set<PackID> = []
    /// What tombstones say.
    var tombstones: [PointID: Tombstone] = [:]
    /// Roots that cannot be read: what they need is unknown.
    var damaged: [PointID: PgkeepError] = [:]

    /// Reads them, all but `leaving`, which count as removed.
    ///
    /// Roots are written once, so what has been read stays true. A root that was listed and is gone
    /// when it is read has been removed meanwhile, and a point made from it may have been committed
    /// after the listing; then the listing is made again, until all of one listing is read. That is
    /// as good as reading all roots at the moment of that listing.
    init(
        _ vault: Vault,
        _ system: SystemIdentifier,
        leaving: Set<PointID> = [],
        token: CancellationToken
    ) throws {
        let prefix = VaultNames.rootPrefix(system)
        var known: Set<PointID> = []
        while true {
            let listed = try vault.store.list(prefix: prefix).compactMap {
                PointID($0.name.text.dropFirst(prefix.utf8.count))
            }
            var isWhole = true
            for id in listed where !known.contains(id) && !leaving.contains(id) {
                try token.check()
                guard try read(vault, system, id) else {
                    isWhole = false
                    continue
                }
                known.insert(id)
            }
            marks = Set(listed).subtracting(leaving)
            if isWhole { return }
        }
    }

    /// False when it is gone.
    private mutating func read(
        _ vault: Vault,
        _ system: SystemIdentifier,
        _ id: PointID
    ) throws -> Bool {
        let name = VaultNames.root(system, id)
        do {
            let (kind, frames) = try Sealed.decode(
                vault,
                name,
                kinds: [.root, .tombstone],
                system: system,
                bytes: try vault.store.get(name)
            )
            guard kind == .root else {
                // A tombstone is one by its kind; what it says matters for drafts only.
                tombstones[id] = try? ControlJSON.decode(
                    Tombstone.self,
                    frames.first?.bytes ?? [],
                    "the tombstone \(name)"
                )
                return true
            }
            let root = try RootCodec.decode(frames, "the root \(name)")
            points[id] = root.point
            for pack in root.packs { live.insert(pack.info.id) }
        } catch let error as PgkeepError where error.code == .notFound {
            return false
        } catch let error as PgkeepError where error.isDamage {
            damaged[id] = error
        }
        return true
    }
}
