import Domain
import Platform
import Sealing

/// Fills packs with pages and frames: one for each worker thread, never shared.
///
/// Pages gather in a frame of 16, which may join pages of several files; a pack is closed near
/// 64 MiB, earlier where the instance is small, and handed to the session's publishing thread while
/// the next one is begun. Nothing here is durable before `BackupSession.commit`.
public final class PackWriter {
    private let sink: PackSink
    private var object: SealedObjectWriter?
    private var id: PackID
    private var pending: Buffer
    /// Pages in the current pack, pending ones included: the number of the next page.
    private var pages: UInt32 = 0
    private var metaBytes: UInt64 = 0

    /// Frames after which a pack is closed even when it is small.
    private static let packFrames: UInt32 = 32_768

    init(_ sink: PackSink) {
        self.sink = sink
        id = PackID(session: sink.session, number: 0)
        pending = Buffer(capacity: VaultFormat.pageFrameBytes)
    }

    /// Adds one page; returns where it lies. A page shorter than 8192 bytes (the end of a file) is
    /// filled up with zeros. The bytes are copied.
    public func append(page: UnsafeRawBufferPointer) throws -> PageLocation {
        try append(pages: page)
    }

    /// Adds up to 16 consecutive pages, which get consecutive numbers in one pack; returns where
    /// the first lies. Only the last may be short, and is filled up with zeros. The bytes are
    /// copied.
    public func append(pages source: UnsafeRawBufferPointer) throws -> PageLocation {
        precondition(source.count > 0 && source.count <= VaultFormat.pageFrameBytes)
        let count = (source.count + VaultFormat.pageBytes - 1) / VaultFormat.pageBytes
        let object = try objectWithRoom(pages: count)
        let location = PageLocation(pack: id.number, page: pages)
        pages += UInt32(count)
        if pending.count == 0, source.count == VaultFormat.pageFrameBytes {
            try object.append(.pages, source)
            return location
        }
        let copied = pending.append(source)
        if copied < source.count {
            try sealPending(object)
            _ = pending.append(UnsafeRawBufferPointer(rebasing: source[copied...]))
        }
        let rest = source.count % VaultFormat.pageBytes
        if rest > 0 {
            let end = pending.count
            pending.count = end + VaultFormat.pageBytes - rest
            UnsafeMutableRawBufferPointer(rebasing: pending.memory[end..<pending.count])
                .initializeMemory(as: UInt8.self, repeating: 0)
        }
        if pending.room == 0 { try sealPending(object) }
        return location
    }

    /// Adds a frame that holds no pages, at most 4 MiB; returns its place.
    public func append(
        _ kind: FrameKind,
        _ bytes: [UInt8],
        compress: Bool = true
    ) throws -> FrameRef {
        precondition(kind != .pages && kind != .directory)
        let object = try objectWithRoom(meta: bytes.count)
        return try appendMeta(kind, bytes, compress: compress, to: object)
    }

    /// Adds a region map: location frame and fingerprint frame side by side.
    public func append(map: RegionMap) throws -> RegionRef {
        let locations = map.encodedLocations()
        let fingerprints = map.encodedFingerprints()
        let object = try objectWithRoom(meta: locations.count + fingerprints.count + 32)
        let first = try appendMeta(.mapLocations, locations, compress: true, to: object)
        let second =
            fingerprints.isEmpty
            ? nil : try appendMeta(.mapFingerprints, fingerprints, compress: true, to: object)
        let base = MapRef(
            pack: first.pack,
            frame: first.frame,
            offset: first.offset,
            locationBytes: first.bytes,
            fingerprintBytes: second?.bytes ?? 0
        )
        return RegionRef(base: base, delta: nil, map: map)
    }

    /// Adds the cumulative change of a region against the base map it keeps.
    public func append(delta map: RegionMap, from baseMap: RegionMap, at base: MapRef) throws
        -> RegionRef
    {
        let delta = try append(.mapDelta, RegionMapDelta(of: map, from: baseMap).bytes)
        return RegionRef(base: base, delta: delta, map: map)
    }

    /// Adds what the map of a region has become whose base is known: its change, or a new base
    /// when the changes have come to cost as much (see `RegionMapDelta.isDue`).
    public func append(map: RegionMap, over base: MapRef, _ baseMap: RegionMap) throws -> RegionRef
    {
        let delta = RegionMapDelta(of: map, from: baseMap)
        let baseBytes = Int(base.locationBytes) + Int(base.fingerprintBytes)
        if delta.isDue(for: baseBytes) { return try append(map: map) }
        return RegionRef(base: base, delta: try append(.mapDelta, delta.bytes), map: map)
    }

    /// Closes the current pack, if any, and hands it over. The writer may be used again.
    public func finish() throws {
        guard let object else { return }
        if pending.count > 0 { try sealPending(object) }
        self.object = nil
        let summary = try object.seal()
        let info = PackInfo(
            id: id,
            size: summary.size,
            directoryOffset: summary.directoryOffset,
            pages: pages,
            metaBytes: metaBytes,
            digest: summary.digest
        )
        try sink.hand(over: FinishedPack(info: info, object: object))
    }

    // MARK: - Rooms

    private func appendMeta(
        _ kind: FrameKind,
        _ bytes: [UInt8],
        compress: Bool,
        to object: SealedObjectWriter
    ) throws -> FrameRef {
        let number = object.frames
        let frame = try object.append(kind, bytes, compress: compress)
        metaBytes += UInt64(frame.bytes)
        return FrameRef(
            pack: id,
            frame: number,
            offset: UInt32(frame.offset),
            bytes: UInt32(frame.bytes),
            rawBytes: frame.rawBytes
        )
    }

    private func sealPending(_ object: SealedObjectWriter) throws {
        try object.append(.pages, pending.bytes)
        pending.count = 0
    }

    /// The pack for `count` more pages, none of which may end up in another one: a new one when the
    /// frames they touch might not fit.
    private func objectWithRoom(pages count: Int) throws -> SealedObjectWriter {
        let touched = pending.count + count * VaultFormat.pageBytes
        return try objectWithRoom(bytes: touched)
    }

    private func objectWithRoom(meta count: Int) throws -> SealedObjectWriter {
        try objectWithRoom(bytes: pending.count + count + VaultFormat.frameOverhead)
    }

    private func objectWithRoom(bytes: Int) throws -> SealedObjectWriter {
        if let object {
            let needed = UInt64(bytes + 3 * VaultFormat.frameOverhead)
            if object.length + needed <= sink.packBytes, object.frames < Self.packFrames {
                return object
            }
            try finish()
        }
        let (id, object) = try sink.begin()
        self.id = id
        self.object = object
        pages = 0
        metaBytes = 0
        return object
    }
}
