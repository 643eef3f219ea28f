import Domain

/// Gives packs their positions in a root's table, in the order of first use, and sums up what the
/// point needs of each.
struct PackTally {
    private(set) var usage: [PackUsage] = []
    private var positions: [PackID: UInt32] = [:]
    // Entries of one relation follow each other: most lookups are for the pack looked up last.
    private var last: (id: PackID, position: UInt32)?

    /// The position of a pack, a new one when it was not used before.
    mutating func position(of id: PackID) -> UInt32 {
        if let last, last.id == id { return last.position }
        let position: UInt32
        if let known = positions[id] {
            position = known
        } else {
            position = UInt32(usage.count)
            positions[id] = position
            usage.append(PackUsage(pack: id, pages: 0, metaBytes: 0))
        }
        last = (id, position)
        return position
    }

    mutating func add(_ more: PackUsage) {
        let position = Int(position(of: more.pack))
        usage[position].pages += more.pages
        usage[position].metaBytes += more.metaBytes
    }

    mutating func add(_ frame: FrameRef) {
        add(PackUsage(pack: frame.pack, pages: 0, metaBytes: UInt64(frame.bytes)))
    }

    /// Adds the pages of a map that lies in the catalog itself.
    mutating func add(inline map: RegionMap) {
        for (pack, pages) in zip(map.packs, map.pagesByPack()) where pages > 0 {
            add(PackUsage(pack: pack, pages: UInt32(pages), metaBytes: 0))
        }
    }

    /// The table so far, with nothing known about the packs themselves (size 0).
    var packs: [PointRoot.Pack] {
        usage.map { usage in
            PointRoot.Pack(
                info: PackInfo(
                    id: usage.pack,
                    size: 0,
                    directoryOffset: 0,
                    pages: 0,
                    metaBytes: 0,
                    digest: [UInt8](repeating: 0, count: 16)
                ),
                livePages: usage.pages,
                liveMetaBytes: usage.metaBytes
            )
        }
    }
}
