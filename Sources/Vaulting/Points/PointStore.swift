public import Domain
import Storage

/// Which recovery points a vault holds.
public enum PointStore {
    /// A point as a listing found it.
    public struct Listed: Sendable {
        /// Its id.
        public let id: PointID
        /// Its description, or why its root cannot be read: a damaged point is shown, not hidden.
        public let point: Result<RecoveryPoint, PgkeepError>
    }

    /// The visible points of an instance, oldest first: their roots exist and are not condemned.
    ///
    /// A root's first frame is all that is read of each.
    public static func list(_ vault: Vault, _ system: SystemIdentifier) throws -> [Listed] {
        try visible(vault, system).compactMap { id in
            do {
                guard let point = try describe(vault, system, id) else { return nil }
                return Listed(id: id, point: .success(point))
            } catch let error as PgkeepError where error.isDamage {
                return Listed(id: id, point: .failure(error))
            }
        }
    }

    /// The instances that have objects of their own, beside the markers that stay of deleted ones.
    public static func systems(_ vault: Vault) throws -> [SystemIdentifier] {
        let objects = try vault.store.list(prefix: VaultNames.instancesPrefix)
        let places = objects.map { ObjectPlace($0.name) }
        return Set(places.filter { !$0.isMarker }.compactMap(\.system)).sorted()
    }

    /// True when a point's root, which may be damaged, is there and not condemned.
    public static func isVisible(
        _ vault: Vault,
        _ system: SystemIdentifier,
        _ id: PointID
    ) throws -> Bool {
        guard try vault.store.head(VaultNames.root(system, id)) != nil,
            try vault.store.head(VaultNames.gone(system, id)) == nil
        else { return false }
        do {
            return try describe(vault, system, id) != nil
        } catch let error as PgkeepError where error.isDamage {
            return true
        }
    }

    /// Packs a point needs that are not there, or not with the length they were written with, as
    /// one listing shows, or that a check found damaged inside. Their pages must not be kept by a
    /// later point.
    public static func damagedPacks(of point: PointReader) throws -> Set<PackID> {
        let prefix = VaultNames.packPrefix(point.systemIdentifier)
        let there = Dictionary(
            try point.vault.store.list(prefix: prefix).map { ($0.name, $0.size) }
        ) { first, _ in first }
        return Set(
            point.root.packs.map(\.info).filter {
                there[VaultNames.pack(point.systemIdentifier, $0.id)] != $0.size
            }.map(\.id)
        ).union(
            try DamageRecord.packs(point.vault, point.systemIdentifier)
                .filter { point.packs[$0] != nil }
        )
    }

    /// True for a root, false for a tombstone in its place.
    static func isRoot(_ vault: Vault, _ system: SystemIdentifier, _ id: PointID) throws -> Bool {
        try describe(vault, system, id) != nil
    }

    /// Names with a root or tombstone and without a condemned marker.
    static func visible(_ vault: Vault, _ system: SystemIdentifier) throws -> [PointID] {
        let gonePrefix = VaultNames.gonePrefix(system)
        let rootPrefix = VaultNames.rootPrefix(system)
        // Roots first: a point condemned between the two listings is then left out, not shown.
        let roots = try vault.store.list(prefix: rootPrefix)
        let gone = Set(
            try vault.store.list(prefix: gonePrefix).map {
                $0.name.text.dropFirst(gonePrefix.utf8.count)
            }
        )
        return roots.compactMap {
            let text = $0.name.text.dropFirst(rootPrefix.utf8.count)
            return gone.contains(text) ? nil : PointID(text)
        }
    }

    /// What a root says of its point; nil for a tombstone, or when it has just been removed.
    private static func describe(
        _ vault: Vault,
        _ system: SystemIdentifier,
        _ id: PointID
    ) throws -> RecoveryPoint? {
        let name = VaultNames.root(system, id)
        let reader: SealedObjectReader
        do {
            reader = try SealedObjectReader(
                vault,
                name,
                kinds: [.root, .tombstone],
                system: system
            )
        } catch let error as PgkeepError where error.code == .notFound {
            return nil
        }
        guard reader.object.header.kind == .root else { return nil }
        let info = try ControlJSON.decode(
            RootInfo.self,
            try reader.read(0),
            "the root \(name)"
        )
        guard info.point.id == id, info.point.systemIdentifier == system else {
            throw PgkeepError.damaged(name, "it is the root of another point")
        }
        return info.point
    }
}
