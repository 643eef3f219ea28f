import Domain

/// The body of a catalog entry: everything but its path.
enum CatalogCodec {
    private static let kindMask: UInt8 = 0b111
    private static let fileKind: UInt8 = 1
    private static let directoryKind: UInt8 = 2
    private static let linkKind: UInt8 = 3
    private static let hasChecksum: UInt8 = 0b1000
    private static let hasRegions: UInt8 = 0b1_0000

    /// Appends the body of `entry` and counts in `tally` what it needs.
    static func encode(
        _ entry: CatalogEntry,
        into writer: inout ByteWriter,
        _ tally: inout PackTally
    ) {
        switch entry.kind {
        case .directory:
            head(directoryKind, entry, &writer)
        case .link(let target):
            head(linkKind, entry, &writer)
            writer.appendVarint(UInt64(target.count))
            writer.append(target)
        case .file(let size, let checksum, let content):
            var flags = fileKind
            if checksum != nil { flags |= hasChecksum }
            if case .regions = content { flags |= hasRegions }
            head(flags, entry, &writer)
            writer.appendVarint(size)
            if let checksum { writer.append(checksum) }
            encode(content, size: size, into: &writer, &tally)
        }
    }

    private static func head(_ flags: UInt8, _ entry: CatalogEntry, _ writer: inout ByteWriter) {
        writer.append(flags)
        writer.appendVarint(UInt64(entry.mode))
        writer.appendZigzag(entry.modifiedSeconds)
    }

    private static func encode(
        _ content: FileContent,
        size: UInt64,
        into writer: inout ByteWriter,
        _ tally: inout PackTally
    ) {
        let pages = FileContent.pages(ofSize: size)
        switch content {
        case .inline(let map):
            precondition(map.pages == pages && pages <= VaultFormat.inlinePages)
            precondition(map.fingerprints.count == pages)
            tally.add(inline: map)
            let positions = map.packs.map { tally.position(of: $0) }
            LocationRuns.encode(map.locations, into: &writer) { positions[Int($0)] }
            for fingerprint in map.fingerprints { writer.append(fingerprint) }
        case .regions(let regions):
            precondition(pages > VaultFormat.inlinePages)
            precondition(regions.count == FileContent.regions(ofPages: pages))
            for region in regions { encode(region, into: &writer, &tally) }
        }
    }

    private static func encode(
        _ region: RegionRef,
        into writer: inout ByteWriter,
        _ tally: inout PackTally
    ) {
        writer.appendVarint(UInt64(tally.position(of: region.base.pack)))
        writer.appendVarint(UInt64(region.base.frame))
        writer.appendVarint(UInt64(region.base.offset))
        writer.appendVarint(UInt64(region.base.locationBytes))
        writer.appendVarint(UInt64(region.base.fingerprintBytes))
        writer.append(UInt8(region.delta == nil ? 0 : 1))
        if let delta = region.delta {
            writer.appendVarint(UInt64(tally.position(of: delta.pack)))
            writer.appendVarint(UInt64(delta.frame))
            writer.appendVarint(UInt64(delta.offset))
            writer.appendVarint(UInt64(delta.bytes))
        }
        writer.appendVarint(UInt64(region.usage.count))
        for usage in region.usage {
            tally.add(usage)
            writer.appendVarint(UInt64(tally.position(of: usage.pack)))
            writer.appendVarint(UInt64(usage.pages))
            writer.appendVarint(usage.metaBytes)
        }
    }

    /// Reads a body; `packs` is the root's table.
    static func decode(
        path: [UInt8],
        from reader: inout ByteReader,
        packs: [PackID]
    ) throws -> CatalogEntry {
        let flags = try reader.byte()
        let kind = flags & kindMask
        let isFile = kind == fileKind
        guard (fileKind...linkKind).contains(kind),
            flags & ~(kindMask | (isFile ? hasChecksum | hasRegions : 0)) == 0
        else { throw PgkeepError.newerFormat("the catalog entry of a file") }
        let mode = UInt32(try reader.varint(max: 0o7777))
        let modified = try reader.zigzag()
        var entry = CatalogEntry(
            path: path,
            mode: mode,
            modifiedSeconds: modified,
            kind: .directory
        )
        if kind == linkKind {
            let length = try reader.varint(max: UInt64(VaultFormat.pathBytesMax))
            entry.kind = .link(target: try reader.bytes(length))
        } else if isFile {
            let size = try reader.varint()
            guard size < 1 << 60 else { throw reader.malformed("a file of \(size) bytes") }
            let checksum = flags & hasChecksum == 0 ? nil : try reader.number(UInt32.self)
            let pages = FileContent.pages(ofSize: size)
            let content =
                flags & hasRegions == 0
                ? FileContent.inline(try inline(pages, &reader, packs))
                : FileContent.regions(
                    try (0..<FileContent.regions(ofPages: pages)).map { _ in
                        try region(&reader, packs)
                    }
                )
            entry.kind = .file(size: size, crc32c: checksum, content: content)
        }
        return entry
    }

    private static func inline(
        _ pages: Int,
        _ reader: inout ByteReader,
        _ packs: [PackID]
    ) throws -> RegionMap {
        guard pages <= VaultFormat.inlinePages else {
            throw reader.malformed("an inline map of \(pages) pages")
        }
        var table: [PackID] = []
        var locations: [MapLocation] = []
        try LocationRuns.decode(&reader, pages: pages, packs: packs.count) { run in
            guard !run.location.isZero else { return locations.append(run: run) }
            let id = packs[Int(run.location.pack)]
            let position = table.firstIndex(of: id) ?? table.count
            if position == table.count { table.append(id) }
            let moved = MapLocation(pack: UInt32(position), page: run.location.page)
            locations.append(run: LocationRun(location: moved, length: run.length))
        }
        let fingerprints = try reader.slice(pages * 8).words()
        return RegionMap(packs: table, locations: locations, fingerprints: fingerprints)
    }

    private static func region(_ reader: inout ByteReader, _ packs: [PackID]) throws -> RegionRef {
        let limit = UInt64(UInt32.max)
        func number(_ reader: inout ByteReader) throws -> UInt32 {
            UInt32(try reader.varint(max: limit))
        }
        func pack(_ reader: inout ByteReader) throws -> PackID {
            let position = try reader.varint()
            guard position < UInt64(packs.count) else {
                throw reader.malformed("no pack \(position)")
            }
            return packs[Int(position)]
        }
        let base = MapRef(
            pack: try pack(&reader),
            frame: try number(&reader),
            offset: try number(&reader),
            locationBytes: try number(&reader),
            fingerprintBytes: try number(&reader)
        )
        var delta: FrameRef?
        switch try reader.byte() {
        case 0: break
        case 1:
            delta = FrameRef(
                pack: try pack(&reader),
                frame: try number(&reader),
                offset: try number(&reader),
                bytes: try number(&reader),
                rawBytes: 0
            )
        default: throw PgkeepError.newerFormat("the catalog entry of a file")
        }
        let count = try reader.varint(max: UInt64(packs.count))
        var usage: [PackUsage] = []
        for _ in 0..<count {
            usage.append(
                PackUsage(
                    pack: try pack(&reader),
                    pages: try number(&reader),
                    metaBytes: try reader.varint()
                )
            )
        }
        return RegionRef(base: base, delta: delta, usage: usage)
    }
}
