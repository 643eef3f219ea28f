package import Domain
package import Platform
package import Vaulting

/// The pages of the parent point, for comparing: which of them the vault need not store again.
///
/// No data of the parent is read, only its maps; the fingerprints decide, never a page's LSN.
package final class ParentMaps: Sendable {
    /// The parent.
    package let reader: PointReader
    /// Which of its pages are stored again although they have not changed.
    package let evacuation: Evacuation
    private let catalog: CatalogLookup

    /// What a parent, or a part of one, may fail with and is then done without.
    private static let unusable: [ErrorCode] = [.integrity, .notFound, .vaultVersion]

    /// The pages of the point `reader` has opened.
    package init(_ reader: PointReader, evacuation: Evacuation) {
        self.reader = reader
        self.evacuation = evacuation
        catalog = CatalogLookup(reader)
    }

    /// A region the parent has: its map, and where that lies unless it is part of the catalog.
    struct Known: Sendable {
        var map: RegionMap
        var place: RegionRef?
    }

    /// The same file in the parent; nil when it had none.
    func entry(_ path: [UInt8]) throws -> CatalogEntry? { try catalog.entry(path: path) }

    /// The same region of the same file in the parent; nil when it had none, or when what it says
    /// of it cannot be read: damage costs space, never the backup, and is healed by it.
    func known(_ path: [UInt8], region number: Int) throws -> Known? {
        try unlessDamaged {
            guard let entry = try catalog.entry(path: path),
                let map = try reader.map(of: entry, region: number, fingerprints: true),
                map.fingerprints.count == map.pages
            else { return nil }
            guard case .file(_, _, .regions(let regions)) = entry.kind else {
                return Known(map: map, place: nil)
            }
            return Known(map: map, place: regions[number])
        }
    }

    /// Where the map of a region is now: the parent's, when nothing has changed, else a change
    /// against its base, else a new base.
    func store(_ builder: RegionMapBuilder, over known: Known?, with packs: PackWriter) throws
        -> RegionRef
    {
        guard let known, let place = known.place, !evacuation.takesMap(in: place.base.pack) else {
            return try packs.append(map: builder.finish())
        }
        if builder.isAsParent {
            let isMoving = place.delta.map { evacuation.takesMap(in: $0.pack) } ?? false
            if !isMoving { return place }
        }
        if place.delta == nil {
            return try packs.append(map: builder.finish(), over: place.base, known.map)
        }
        let base = try unlessDamaged { try reader.map(of: place.base, fingerprints: true) }
        guard let base else { return try packs.append(map: builder.finish()) }
        return try packs.append(map: builder.finish(), over: place.base, base)
    }

    private func unlessDamaged<Value>(_ body: () throws -> Value?) throws -> Value? {
        do {
            return try body()
        } catch let error as PgkeepError where Self.unusable.contains(error.code) {
            return nil
        }
    }

    /// Begins a session and chooses its parent: the newest usable point, on whatever timeline, for
    /// fingerprints decide. One that expires while it is chosen is given up for the next.
    package static func begin(
        _ vault: Vault,
        _ system: SystemIdentifier,
        _ policy: Evacuation.Policy,
        clock: any Clock
    ) throws -> (BackupSession, ParentMaps?) {
        while true {
            let parents = try newest(vault, system, policy, clock)
            do {
                let session = try BackupSession.begin(
                    vault,
                    system,
                    parent: parents?.reader,
                    clock: clock
                )
                return (session, parents)
            } catch let error as PgkeepError where error.code == .busy && parents != nil {
                continue
            }
        }
    }

    /// What the last backup left as a draft, the newest usable point, or nil. A damaged one is
    /// passed over: it costs space, never the backup.
    private static func newest(
        _ vault: Vault,
        _ system: SystemIdentifier,
        _ policy: Evacuation.Policy,
        _ clock: any Clock
    ) throws -> ParentMaps? {
        func maps(_ reader: PointReader) throws -> ParentMaps {
            let evacuation = Evacuation(
                of: reader.root,
                damaged: try PointStore.damagedPacks(of: reader),
                policy: policy,
                now: clock.now
            )
            return ParentMaps(reader, evacuation: evacuation)
        }
        do {
            if let draft = try DraftStore.usable(vault, system, clock: clock) {
                return try maps(draft)
            }
        } catch let error as PgkeepError where unusable.contains(error.code) {
            // A draft only saves work.
        }
        for listed in try PointStore.list(vault, system).reversed() {
            guard case .success = listed.point else { continue }
            do {
                return try maps(PointReader(vault, system, listed.id))
            } catch let error as PgkeepError where unusable.contains(error.code) {
                continue
            }
        }
        return nil
    }
}
