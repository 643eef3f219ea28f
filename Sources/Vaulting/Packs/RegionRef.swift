/// Where a base map's two frames lie, side by side in one pack.
public struct MapRef: Hashable, Sendable {
    /// The pack.
    public var pack: PackID
    /// The number of the location frame; the fingerprint frame is the next.
    public var frame: UInt32
    /// The offset of the location frame's header.
    public var offset: UInt32
    /// Bytes of the location frame with header and tag.
    public var locationBytes: UInt32
    /// Bytes of the fingerprint frame with header and tag; 0 when there is none.
    public var fingerprintBytes: UInt32

    /// A base map's place.
    public init(
        pack: PackID,
        frame: UInt32,
        offset: UInt32,
        locationBytes: UInt32,
        fingerprintBytes: UInt32
    ) {
        self.pack = pack
        self.frame = frame
        self.offset = offset
        self.locationBytes = locationBytes
        self.fingerprintBytes = fingerprintBytes
    }
}

/// What something needs of a pack.
public struct PackUsage: Hashable, Sendable {
    /// The pack.
    public var pack: PackID
    /// Its pages that are needed.
    public var pages: UInt32
    /// Bytes of its map, catalog and attachment frames that are needed.
    public var metaBytes: UInt64

    /// Pages and bytes of one pack.
    public init(pack: PackID, pages: UInt32, metaBytes: UInt64) {
        self.pack = pack
        self.pages = pages
        self.metaBytes = metaBytes
    }
}

/// A region of a file in the catalog: where its map is, and what it needs of which packs.
public struct RegionRef: Hashable, Sendable {
    /// The base map.
    public var base: MapRef
    /// The cumulative change against it, if any. Its raw length is not kept and reads as 0.
    public var delta: FrameRef?
    /// What is needed of each pack, packs ascending.
    public var usage: [PackUsage]

    /// A region with known usage.
    public init(base: MapRef, delta: FrameRef?, usage: [PackUsage]) {
        self.base = base
        self.delta = delta
        self.usage = usage
    }

    /// The region of `map`, whose frames were just written.
    init(base: MapRef, delta: FrameRef?, map: RegionMap) {
        var needed: [PackID: PackUsage] = [:]
        for (pack, pages) in zip(map.packs, map.pagesByPack()) where pages > 0 {
            needed[pack, default: PackUsage(pack: pack, pages: 0, metaBytes: 0)].pages +=
                UInt32(pages)
        }
        needed[base.pack, default: PackUsage(pack: base.pack, pages: 0, metaBytes: 0)]
            .metaBytes += UInt64(base.locationBytes) + UInt64(base.fingerprintBytes)
        if let delta {
            needed[delta.pack, default: PackUsage(pack: delta.pack, pages: 0, metaBytes: 0)]
                .metaBytes += UInt64(delta.bytes)
        }
        self.init(base: base, delta: delta, usage: needed.values.sorted { $0.pack < $1.pack })
    }
}
