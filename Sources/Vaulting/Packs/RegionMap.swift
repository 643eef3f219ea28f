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
