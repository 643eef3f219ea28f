public import Domain
import Platform
import Sealing
import Storage

/// One visible recovery point, opened for reading; shared by all threads that read it.
///
/// Whoever reads for long holds a `Lease` naming the point, or pruning may take it away.
public final class PointReader: Sendable {
    /// The vault.
    public let vault: Vault
    /// The instance.
    public let systemIdentifier: SystemIdentifier
    /// The root.
    public let root: PointRoot
    /// The number of the draft this is of; nil for a point.
    public let draft: UInt32?
    /// The packs the point needs, by id.
    public let packs: [PackID: PointRoot.Pack]
    private let positions: [PackID: UInt32]
    let shelf: PackShelf

    /// The recovery point.
    public var point: RecoveryPoint { root.point }

    /// Opens a point.
    ///
    /// Throws `.notFound` when it does not exist (any more), `.integrity` when its root is damaged.
    public convenience init(
        _ vault: Vault,
        _ system: SystemIdentifier,
        _ id: PointID
    ) throws {
        let name = VaultNames.root(system, id)
        let absent = PgkeepError(
            .notFound,
            "there is no recovery point \(id)",
            hint: "list them with pgkeep backup list"
        )
        let bytes: [UInt8]
        do {
            guard try vault.store.head(VaultNames.gone(system, id)) == nil else { throw absent }
            bytes = try vault.store.get(name)
        } catch let error as PgkeepError where error.code == .notFound {
            throw absent
        }
        let decoded = try Sealed.decode(
            vault,
            name,
            kinds: [.root, .tombstone],
            system: system,
            bytes: bytes
        )
        guard decoded.kind == .root else { throw absent }
        try self.init(vault, system, id, name, decoded.frames, SHA256.digest(bytes), draft: nil)
    }

    /// Opens a draft: what a session that did not end has stored, as if it were a point.
    convenience init(
        _ vault: Vault,
        _ system: SystemIdentifier,
        _ id: PointID,
        draft number: UInt32
    ) throws {
        let name = VaultNames.draft(system, id, number)
        let bytes = try vault.store.get(name)
        let decoded = try Sealed.decode(
            vault,
            name,
            kinds: [.draft],
            system: system,
            bytes: bytes
        )
        try self.init(vault, system, id, name, decoded.frames, SHA256.digest(bytes), draft: number)
    }

    private init(
        _ vault: Vault,
        _ system: SystemIdentifier,
        _ id: PointID,
        _ name: ObjectName,
        _ frames: RootCodec.Frames,
        _ digest: [UInt8],
        draft: UInt32?
    ) throws {
        var root = try RootCodec.decode(frames, "the root \(name)")
        guard root.point.id == id, root.point.systemIdentifier == system else {
            throw PgkeepError.damaged(name, "it is the root of another point")
        }
        root.digest = digest
        self.vault = vault
        systemIdentifier = system
        self.root = root
        self.draft = draft
        packs = Dictionary(root.packs.map { ($0.info.id, $0) }) { first, _ in first }
        positions = Dictionary(
            root.packs.enumerated().map { ($1.info.id, UInt32($0)) }
        ) { first, _ in first }
        guard packs.count == root.packs.count else {
            throw PgkeepError.damaged(name, "it lists a pack twice")
        }
        shelf = PackShelf(vault, system)
    }

    // MARK: Catalog

    /// A cursor over all entries in the order of their paths' bytes; memory is bounded.
    public func catalog() -> CatalogCursor { CatalogCursor(self) }

    /// The entry with exactly this path, or nil.
    public func entry(path: [UInt8]) throws -> CatalogEntry? {
        guard let number = catalogFrame(holding: path) else { return nil }
        return try entries(ofFrame: number).first { $0.path == path }
    }

    /// The catalog frame that would hold `path`; nil when it comes before all of them.
    func catalogFrame(holding path: [UInt8]) -> Int? {
        var low = 0
        var high = root.catalog.count
        while low < high {
            let middle = (low + high) / 2
            if path.lexicographicallyPrecedes(root.catalog[middle].firstPath) {
                high = middle
            } else {
                low = middle + 1
            }
        }
        return low > 0 ? low - 1 : nil
    }

    /// The entry with exactly this path, or nil.
    public func entry(path: String) throws -> CatalogEntry? { try entry(path: Array(path.utf8)) }

    func entries(ofFrame number: Int) throws -> [CatalogEntry] {
        var entries: [CatalogEntry] = []
        entries.reserveCapacity(Int(root.catalog[number].entries))
        let table = root.packs.map(\.info.id)
        try forEachEntry(in: try content(ofFrame: number), of: number, packs: table) { entry, _ in
            entries.append(entry)
        }
        return entries
    }

    func content(ofFrame number: Int) throws -> [UInt8] {
        try read(root.catalog[number].place, .catalog)
    }

    var catalogSubject: String { "the catalog of recovery point \(point.id)" }

    /// Hands over the entries of a frame, each with the place of its body in `content`.
    func forEachEntry(
        in content: [UInt8],
        of number: Int,
        packs table: [PackID],
        _ body: (CatalogEntry, Int) throws -> Void
    ) throws {
        let frame = root.catalog[number]
        try content.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes, catalogSubject)
            let count = try reader.number(UInt32.self)
            guard count == frame.entries else {
                throw reader.malformed("\(count) entries instead of \(frame.entries)")
            }
            var path: [UInt8] = []
            for position in 0..<count {
                let shared = try reader.varint(max: UInt64(path.count))
                let further = try reader.varint(max: UInt64(VaultFormat.pathBytesMax - shared))
                let next = path[..<shared] + (try reader.bytes(further))
                guard position == 0 || path.lexicographicallyPrecedes(next) else {
                    throw reader.malformed("its paths are not in order")
                }
                path = Array(next)
                guard position > 0 || path == frame.firstPath else {
                    throw reader.malformed("its first path is not the listed one")
                }
                let place = reader.position
                try body(try CatalogCodec.decode(path: path, from: &reader, packs: table), place)
            }
            try reader.finish()
        }
    }

    // MARK: Maps

    /// The map of a region; fingerprints, which only comparing needs, are read when asked for.
    public func map(of region: RegionRef, fingerprints: Bool) throws -> RegionMap {
        let base = try map(of: region.base, fingerprints: fingerprints)
        guard let delta = region.delta else { return base }
        return try read(delta, .mapDelta).withUnsafeBytes {
            try base.applying(delta: $0, "pack \(delta.pack)")
        }
    }

    /// A base map, without the change a region may have against it.
    public func map(of base: MapRef, fingerprints: Bool) throws -> RegionMap {
        let subject = "pack \(base.pack)"
        let locations = try read(
            FrameRef(
                pack: base.pack,
                frame: base.frame,
                offset: base.offset,
                bytes: base.locationBytes,
                rawBytes: 0
            ),
            .mapLocations
        )
        var column: [UInt8]?
        if fingerprints, base.fingerprintBytes > 0 {
            column = try read(
                FrameRef(
                    pack: base.pack,
                    frame: base.frame + 1,
                    offset: base.offset + base.locationBytes,
                    bytes: base.fingerprintBytes,
                    rawBytes: 0
                ),
                .mapFingerprints
            )
        }
        return try locations.withUnsafeBytes { locations in
            if let column {
                return try column.withUnsafeBytes {
                    try RegionMap(locations: locations, fingerprints: $0, subject)
                }
            }
            return try RegionMap(locations: locations, fingerprints: nil, subject)
        }
    }

    /// The map of region `number` (0 for the first GiB) of a file, or nil when it has no such
    /// region. An empty file has no region. Checked against the file's size.
    public func map(
        of entry: CatalogEntry,
        region number: Int,
        fingerprints: Bool
    ) throws -> RegionMap? {
        guard case .file(let size, _, let content) = entry.kind else { return nil }
        let pages = FileContent.pages(ofSize: size) - number * VaultFormat.regionPages
        guard pages > 0 else { return nil }
        switch content {
        case .inline(let map): return map
        case .regions(let regions):
            let map = try map(of: regions[number], fingerprints: fingerprints)
            guard map.pages == min(pages, VaultFormat.regionPages) else {
                throw PgkeepError(
                    .integrity,
                    "the map of \(entry.pathText) does not fit its size",
                    hint: "run pgkeep vault check"
                )
            }
            return map
        }
    }

    /// The stored pages of a map as runs for a `PageFetcher`; zero pages are left out. The page at
    /// position i of the map gets the tag `tag + i`.
    public func runs(of map: RegionMap, tag: UInt64) throws -> [PageRun] {
        let table = try map.packs.map { pack in
            guard let position = positions[pack] else {
                throw PgkeepError(
                    .integrity,
                    "recovery point \(point.id) needs pack \(pack) but does not list it",
                    hint: "run pgkeep vault check"
                )
            }
            return position
        }
        var runs: [PageRun] = []
        var next = tag
        LocationRuns.forEachRun(map.locations) { run in
            if !run.location.isZero {
                runs.append(
                    PageRun(
                        pack: table[Int(run.location.pack)],
                        page: run.location.page,
                        length: UInt32(run.length),
                        tag: next
                    )
                )
            }
            next += UInt64(run.length)
        }
        return runs
    }

    /// A reader of pages for one thread.
    public func makeFetcher() -> PageFetcher { PageFetcher(self) }

    // MARK: Frames

    /// Hands the bytes of an attachment to `body`, piece by piece, and checks them at the end.
    public func read(_ attachment: Attachment, _ body: ([UInt8]) throws -> Void) throws {
        var size: UInt64 = 0
        var checksum: UInt32 = 0
        for frame in attachment.frames {
            let bytes = try read(frame, .attachment)
            size += UInt64(bytes.count)
            checksum = bytes.withUnsafeBytes { CRC32C.of($0, from: checksum) }
            try body(bytes)
        }
        guard size == attachment.size, checksum == attachment.crc32c else {
            throw PgkeepError(
                .integrity,
                "\(attachment.name) is not as it was captured",
                hint: "run pgkeep vault check"
            )
        }
    }

    /// All bytes of an attachment.
    public func bytes(of attachment: Attachment) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try read(attachment) { bytes += $0 }
        return bytes
    }

    private func read(_ frame: FrameRef, _ kind: FrameKind) throws -> [UInt8] {
        let layout = try pack(frame.pack)
        let name = layout.object.location
        let frames = layout.object.directory.frames
        guard Int(frame.frame) < frames.count, frames[Int(frame.frame)].kind == kind,
            frames[Int(frame.frame)].offset == UInt64(frame.offset),
            frames[Int(frame.frame)].bytes == Int(frame.bytes)
        else { throw PgkeepError.damaged(name, "frame \(frame.frame) is not the expected one") }
        return try SealedObjectReader(vault, sharing: layout.object).read(Int(frame.frame))
    }

    func pack(_ id: PackID) throws -> PackLayout {
        guard let expected = packs[id]?.info else {
            throw PgkeepError(
                .integrity,
                "recovery point \(point.id) needs pack \(id) but does not list it",
                hint: "run pgkeep vault check"
            )
        }
        return try shelf.layout(of: expected)
    }
}

/// Goes through a point's catalog frame by frame. One thread at a time.
public final class CatalogCursor {
    private let reader: PointReader
    private var frame = 0
    private var entries: ArraySlice<CatalogEntry> = []

    init(_ reader: PointReader) { self.reader = reader }

    /// The next entry, or nil at the end. Paths are strictly ascending.
    public func next() throws -> CatalogEntry? {
        while entries.isEmpty {
            guard frame < reader.root.catalog.count else { return nil }
            let last = entries.last?.path
            entries = try reader.entries(ofFrame: frame)[...]
            frame += 1
            if let last, let first = entries.first, !last.lexicographicallyPrecedes(first.path) {
                throw PgkeepError(
                    .integrity,
                    "the catalog of \(reader.point.id) is not in order",
                    hint: "run pgkeep vault check"
                )
            }
        }
        return entries.popFirst()
    }
}
