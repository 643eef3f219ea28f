public import Domain

/// Collects the map of one region while several workers handle its pages.
///
/// Workers set disjoint pages, each page once, without locks; whoever calls `finish` must know that
/// all of them are done (they sent a message, were joined). Holds 16 bytes a page.
public final class RegionMapBuilder: @unchecked Sendable {
    /// Pages of the region.
    public let pages: Int
    private let session: PointID
    private let parent: RegionMap?
    private let fingerprints: UnsafeMutablePointer<UInt64>
    private let locations: UnsafeMutablePointer<UInt64>

    // Places in packs of this session carry this bit and the pack's number; others are positions in
    // the parent's table.
    private static let own: UInt64 = 1 << 63
    private static let unset: UInt64 = .max - 1

    /// The map of a region of `pages` pages (1…131072), written by `session`.
    ///
    /// - Parameter parent: the same region in the parent point, whose unchanged pages are kept.
    public init(pages: Int, session: PointID, parent: RegionMap? = nil) {
        precondition((1...VaultFormat.regionPages).contains(pages))
        self.pages = pages
        self.session = session
        self.parent = parent
        fingerprints = .allocate(capacity: pages)
        locations = .allocate(capacity: pages)
        fingerprints.initialize(repeating: 0, count: pages)
        locations.initialize(repeating: Self.unset, count: pages)
    }

    deinit {
        fingerprints.deallocate()
        locations.deallocate()
    }

    /// The page was just appended at `location`.
    public func set(_ page: Int, fingerprint: UInt64, location: PageLocation) {
        precondition(page >= 0 && page < pages && location.pack < 1 << 31)
        fingerprints[page] = fingerprint
        locations[page] = Self.own | UInt64(location.pack) << 32 | UInt64(location.page)
    }

    /// The page is all zeros.
    public func setZero(_ page: Int) {
        precondition(page >= 0 && page < pages)
        locations[page] = MapLocation.zero.raw
    }

    /// The parent's fingerprint of the page; nil when it has no such page, or it is zeros there.
    public func parentFingerprint(_ page: Int) -> UInt64? {
        guard let parent, page < parent.pages, !parent.locations[page].isZero else { return nil }
        return parent.fingerprints[page]
    }

    /// The position in the parent's pack table of the page's pack; only for a page with a parent's
    /// fingerprint.
    public func parentPack(_ page: Int) -> Int {
        guard let parent else { preconditionFailure("no parent") }
        return Int(parent.locations[page].pack)
    }

    /// True when the finished map says the same as the parent's: all pages were kept.
    public var isAsParent: Bool {
        guard let parent, parent.pages == pages else { return false }
        return (0..<pages).allSatisfy { locations[$0] == parent.locations[$0].raw }
    }

    /// The page is as in the parent: fingerprint and location are taken over.
    public func keep(_ page: Int) {
        guard let parent else { preconditionFailure("no parent to keep a page of") }
        precondition(page >= 0 && page < pages && page < parent.pages)
        fingerprints[page] = parent.fingerprints[page]
        locations[page] = parent.locations[page].raw
    }

    /// The finished map; every page must have been set.
    public func finish() -> RegionMap {
        var table: [PackID] = []
        var positions: [UInt64: UInt64] = [:]
        var lastKey: UInt64 = .max
        var lastPosition: UInt64 = 0
        let result = [MapLocation](unsafeUninitializedCapacity: pages) { output, count in
            for page in 0..<pages {
                let raw = locations[page]
                precondition(raw != Self.unset, "page \(page) was never set")
                guard raw != MapLocation.zero.raw else {
                    output.initializeElement(at: page, to: .zero)
                    continue
                }
                let key = raw >> 32
                if key != lastKey {
                    lastKey = key
                    lastPosition =
                        positions[key]
                        ?? {
                            table.append(pack(key))
                            positions[key] = UInt64(table.count - 1)
                            return UInt64(table.count - 1)
                        }()
                }
                output.initializeElement(
                    at: page,
                    to: MapLocation(raw: lastPosition << 32 | raw & 0xffff_ffff)
                )
            }
            count = pages
        }
        return RegionMap(
            packs: table,
            locations: result,
            fingerprints: Array(UnsafeBufferPointer(start: fingerprints, count: pages))
        )
    }

    private func pack(_ key: UInt64) -> PackID {
        if key & (Self.own >> 32) != 0 {
            return PackID(session: session, number: UInt32(key & 0x7fff_ffff))
        }
        guard let parent else { preconditionFailure("no parent") }
        return parent.packs[Int(key)]
    }
}
