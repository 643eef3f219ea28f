import Domain

/// Where each page of a region (at most 1 GiB of one file) lies, and its fingerprint.
public struct RegionMap: Equatable, Sendable {
    /// The packs the locations speak of.
    public var packs: [PackID]
    /// Where each page lies.
    public var locations: [MapLocation]
    /// Each page's fingerprint, 0 for a zero page; empty when they were not read.
    public var fingerprints: [UInt64]

    /// A map of as many pages as `locations` has.
    public init(packs: [PackID], locations: [MapLocation], fingerprints: [UInt64]) {
        precondition(fingerprints.isEmpty || fingerprints.count == locations.count)
        self.packs = packs
        self.locations = locations
        self.fingerprints = fingerprints
    }

    /// Pages in the region.
    public var pages: Int { locations.count }

    /// How many pages each pack of the table holds.
    public func pagesByPack() -> [Int] {
        var counts = [Int](repeating: 0, count: packs.count)
        LocationRuns.forEachRun(locations) { run in
            if !run.location.isZero { counts[Int(run.location.pack)] += run.length }
        }
        return counts
    }
}

// MARK: - Frames

extension RegionMap {
    private static let hasFingerprints: UInt32 = 1

    /// The payload of the location frame.
    package func encodedLocations() -> [UInt8] {
        precondition((1...VaultFormat.regionPages).contains(pages))
        var writer = ByteWriter(capacity: 64 + packs.count * 20 + pages / 8)
        writer.append(UInt32(pages))
        writer.append(fingerprints.isEmpty ? 0 : Self.hasFingerprints)
        writer.appendPacks(packs)
        LocationRuns.encode(locations, into: &writer)
        return writer.bytes
    }

    /// The payload of the fingerprint frame.
    package func encodedFingerprints() -> [UInt8] {
        var writer = ByteWriter(capacity: fingerprints.count * 8)
        for fingerprint in fingerprints { writer.append(fingerprint) }
        return writer.bytes
    }

    /// Reads a base map from its frames; without the second the fingerprints are left out.
    package init(
        locations frame: UnsafeRawBufferPointer,
        fingerprints: UnsafeRawBufferPointer?,
        _ subject: String
    ) throws {
        var reader = ByteReader(frame, "the map in \(subject)")
        let pages = Int(try reader.number(UInt32.self))
        let flags = try reader.number(UInt32.self)
        guard flags & ~Self.hasFingerprints == 0 else { throw PgkeepError.newerFormat(subject) }
        guard (1...VaultFormat.regionPages).contains(pages) else {
            throw reader.malformed("\(pages) pages")
        }
        packs = try reader.packs()
        var locations = [MapLocation]()
        locations.reserveCapacity(pages)
        try LocationRuns.decode(&reader, pages: pages, packs: packs.count) {
            locations.append(run: $0)
        }
        try reader.finish()
        self.locations = locations
        self.fingerprints = []
        guard let fingerprints else { return }
        guard flags & Self.hasFingerprints != 0, fingerprints.count == pages * 8 else {
            throw reader.malformed("its fingerprints do not fit")
        }
        self.fingerprints = fingerprints.words()
    }
}

// MARK: - Delta

extension RegionMap {
    /// The payload of a delta frame: what differs from `base`. Both must carry fingerprints.
    package func encodedDelta(from base: RegionMap) -> [UInt8] {
        precondition(base.fingerprints.count == base.pages && fingerprints.count == pages)
        // Positions in the base's table mean nothing here: compare what they stand for.
        let common = min(pages, base.pages)
        var listed: [Int] = (0..<common).filter { page in
            fingerprints[page] != base.fingerprints[page]
                || place(of: page) != base.place(of: page)
        }
        listed.append(contentsOf: common..<pages)
        var table: [PackID] = []
        var positions: [UInt32: UInt32] = [:]
        for page in listed where !locations[page].isZero {
            let pack = locations[page].pack
            if positions[pack] == nil {
                positions[pack] = UInt32(table.count)
                table.append(packs[Int(pack)])
            }
        }
        var writer = ByteWriter(capacity: 64 + table.count * 20 + listed.count * 12)
        writer.append(UInt32(pages))
        writer.append(UInt32(listed.count))
        writer.appendPacks(table)
        var next = 0
        for page in listed {
            writer.appendVarint(UInt64(page - next))
            next = page + 1
        }
        LocationRuns.encode(listed.map { locations[$0] }, into: &writer) { positions[$0] ?? 0 }
        for page in listed { writer.append(fingerprints[page]) }
        return writer.bytes
    }

    private func place(of page: Int) -> (PackID?, UInt32) {
        let location = locations[page]
        return location.isZero ? (nil, 0) : (packs[Int(location.pack)], location.page)
    }

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
        return result
    }
}

// MARK: - Pieces

extension ByteWriter {
    /// A table of packs: count, then session and number of each.
    mutating func appendPacks(_ packs: [PackID]) {
        append(UInt32(packs.count))
        for pack in packs {
            append(pack.session.bytes)
            append(pack.number)
        }
    }
}

extension ByteReader {
    /// Reads what `appendPacks` wrote.
    mutating func packs() throws(PgkeepError) -> [PackID] {
        let count = Int(try number(UInt32.self))
        guard remaining >= count * 20 else { throw malformed("\(count) packs do not fit") }
        var packs: [PackID] = []
        packs.reserveCapacity(count)
        for _ in 0..<count { packs.append(try pack()) }
        return packs
    }

    /// Reads one pack's session and number.
    mutating func pack() throws(PgkeepError) -> PackID {
        guard let session = PointID(bytes: try bytes(16)) else { throw malformed("no session id") }
        return PackID(session: session, number: try number(UInt32.self))
    }
}

extension [MapLocation] {
    mutating func append(run: LocationRun) {
        guard !run.location.isZero else {
            append(contentsOf: repeatElement(.zero, count: run.length))
            return
        }
        for offset in 0..<UInt64(run.length) {
            append(MapLocation(raw: run.location.raw + offset))
        }
    }
}

extension Array {
    fileprivate mutating func resize(to count: Int, filling element: Element) {
        if count < self.count { removeLast(self.count - count) }
        append(contentsOf: repeatElement(element, count: count - self.count))
    }
}

extension UnsafeRawBufferPointer {
    /// The little-endian 64-bit numbers in it.
    func words() -> [UInt64] {
        [UInt64](unsafeUninitializedCapacity: count / 8) { buffer, initialized in
            UnsafeMutableRawBufferPointer(buffer).copyMemory(from: self)
            for index in 0..<count / 8 { buffer[index] = UInt64(littleEndian: buffer[index]) }
            initialized = count / 8
        }
    }
}
