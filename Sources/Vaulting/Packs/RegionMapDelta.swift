import Domain

/// A region map's change against a base map, as a delta frame holds it.
package struct RegionMapDelta {
    /// The payload of the frame.
    package let bytes: [UInt8]
    /// How many sessions wrote the listed pages.
    package let sessions: Int

    /// What differs in `map` from `base`. Both must carry fingerprints.
    package init(of map: RegionMap, from base: RegionMap) {
        precondition(base.fingerprints.count == base.pages && map.fingerprints.count == map.pages)
        let listed = Self.changed(map, base)
        var table: [PackID] = []
        var positions: [UInt32: UInt32] = [:]
        for page in listed where !map.locations[page].isZero {
            let pack = map.locations[page].pack
            if positions[pack] == nil {
                positions[pack] = UInt32(table.count)
                table.append(map.packs[Int(pack)])
            }
        }
        var writer = ByteWriter(capacity: 64 + table.count * 20 + listed.count * 12)
        writer.append(UInt32(map.pages))
        writer.append(UInt32(listed.count))
        writer.appendPacks(table)
        var next = 0
        for page in listed {
            writer.appendVarint(UInt64(page - next))
            next = page + 1
        }
        LocationRuns.encode(listed.map { map.locations[$0] }, into: &writer) {
            positions[$0] ?? 0
        }
        for page in listed { writer.append(map.fingerprints[page]) }
        bytes = writer.bytes
        sessions = Set(table.map(\.session)).count
    }

    /// True when going on with deltas has cost about as much as a new base of `baseBytes` would.
    ///
    /// Every session that changes the region writes its delta anew, each longer than the one
    /// before, so n of them have cost about (n + 1) / 2 times the last. Rebasing when that reaches
    /// the base's own size keeps the sum of both lowest: sqrt(2 × base × daily growth) a point.
    /// Sessions whose pages have all been replaced since are not counted, and need not be: the
    /// delta has not grown by them, so a new base would save nothing.
    package func isDue(for baseBytes: Int) -> Bool {
        bytes.count * (sessions + 1) / 2 >= baseBytes
    }

    /// Pages of `map` that are not exactly as in `base`, ascending.
    private static func changed(_ map: RegionMap, _ base: RegionMap) -> [Int] {
        // Positions in one table mean nothing in the other: compare what they stand for.
        let positions = Dictionary(
            map.packs.enumerated().map { ($1, UInt32($0)) }
        ) { first, _ in first }
        let moved = base.packs.map { positions[$0] }
        let common = min(map.pages, base.pages)
        var listed: [Int] = []
        for page in 0..<common {
            let new = map.locations[page]
            let old = base.locations[page]
            let isSame =
                new.isZero || old.isZero
                ? new == old
                : new.page == old.page && moved[Int(old.pack)] == new.pack
            if !isSame || map.fingerprints[page] != base.fingerprints[page] {
                listed.append(page)
            }
        }
        listed.append(contentsOf: common..<map.pages)
        return listed
    }
}

extension RegionMap {
    /// The map that the delta frame `frame` makes of this one. Fingerprints stay left out when this
    /// map has none.
    package func applying(delta frame: UnsafeRawBufferPointer, _ subject: String) throws
        -> RegionMap
    {
        var reader = ByteReader(frame, "the map delta in \(subject)")
        let newPages = Int(try reader.number(UInt32.self))
        let count = Int(try reader.number(UInt32.self))
        guard (1...VaultFormat.regionPages).contains(newPages), count <= newPages else {
            throw reader.malformed("\(count) of \(newPages) pages")
        }
        let table = try reader.packs()
        var listed: [Int] = []
        listed.reserveCapacity(count)
        var next = 0
        for _ in 0..<count {
            listed.append(next + (try reader.varint(max: UInt64(VaultFormat.regionPages))))
            next = (listed.last ?? 0) + 1
        }
        guard next <= newPages, listed.count >= newPages - min(pages, newPages) else {
            throw reader.malformed("its pages do not fit")
        }
        var result = self
        let shift = UInt32(packs.count)
        result.packs += table
        result.locations.resize(to: newPages, filling: .zero)
        if !fingerprints.isEmpty { result.fingerprints.resize(to: newPages, filling: 0) }
        // Every page behind the base's end is listed: the last so many positions are exactly those.
        if newPages > pages, !listed.suffix(newPages - pages).elementsEqual(pages..<newPages) {
            throw reader.malformed("a page behind the base is not listed")
        }
        var position = 0
        try LocationRuns.decode(&reader, pages: count, packs: table.count) { run in
            for offset in 0..<run.length {
                let moved =
                    run.location.isZero
                    ? .zero
                    : MapLocation(
                        pack: run.location.pack + shift,
                        page: run.location.page + UInt32(offset)
                    )
                result.locations[listed[position]] = moved
                position += 1
            }
        }
        for page in listed {
            let fingerprint = try reader.number(UInt64.self)
            if !fingerprints.isEmpty { result.fingerprints[page] = fingerprint }
        }
        try reader.finish()
        result.tidyPacks()
        return result
    }

    /// Leaves each pack in the table that holds a page, once: a base's packs may have lost all
    /// theirs, and the point then does not need them.
    private mutating func tidyPacks() {
        var isUsed = [Bool](repeating: false, count: packs.count)
        LocationRuns.forEachRun(locations) { run in
            if !run.location.isZero { isUsed[Int(run.location.pack)] = true }
        }
        var table: [PackID] = []
        var known: [PackID: UInt32] = [:]
        let moved = packs.indices.map { position -> UInt32 in
            let id = packs[position]
            guard isUsed[position] else { return 0 }
            if let found = known[id] { return found }
            known[id] = UInt32(table.count)
            table.append(id)
            return UInt32(table.count - 1)
        }
        for page in locations.indices where !locations[page].isZero {
            let old = locations[page]
            locations[page] = MapLocation(pack: moved[Int(old.pack)], page: old.page)
        }
        packs = table
    }
}

extension Array {
    fileprivate mutating func resize(to count: Int, filling element: Element) {
        if count < self.count { removeLast(self.count - count) }
        append(contentsOf: repeatElement(element, count: count - self.count))
    }
}
