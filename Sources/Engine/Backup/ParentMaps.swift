import Domain
package import Vaulting

/// The pages of the parent point, for comparing: which of them the vault need not store again.
///
/// No data of the parent is read, only its maps; the fingerprints decide, never a page's LSN.
package final class ParentMaps: Sendable {
    /// The parent.
    let reader: PointReader
    private let catalog: CatalogLookup

    /// The pages of the point `reader` has opened.
    package init(_ reader: PointReader) {
        self.reader = reader
        catalog = CatalogLookup(reader)
    }

    /// A region the parent has: its map, and where that lies unless it is part of the catalog.
    struct Known: Sendable {
        var map: RegionMap
        var place: RegionRef?
    }

    /// The same region of the same file in the parent; nil when it had none.
    func known(_ path: [UInt8], region number: Int) throws -> Known? {
        guard let entry = try catalog.entry(path: path),
            let map = try reader.map(of: entry, region: number, fingerprints: true)
        else { return nil }
        guard case .file(_, _, .regions(let regions)) = entry.kind else {
            return Known(map: map, place: nil)
        }
        return Known(map: map, place: regions[number])
    }

    /// The newest usable point of an instance, or nil. A damaged one is passed over: it costs space,
    /// never the backup.
    static func newest(_ context: JobContext, _ instance: InstanceRecord) throws -> ParentMaps? {
        for point in try Points.list(context, instance).points.reversed() {
            let system = instance.systemIdentifier
            do {
                return ParentMaps(try PointReader(context.vault, system, point.id))
            } catch let error as PgkeepError
                where [.integrity, .notFound, .vaultVersion].contains(error.code)
            {
                continue
            }
        }
        return nil
    }
}
