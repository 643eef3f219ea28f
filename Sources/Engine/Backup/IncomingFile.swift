import Domain
import Platform
import Postgres
import Synchronization
import Vaulting

/// One file of a backup while its pages travel: the receiver counts them in, workers place them.
///
/// Each page is placed by exactly one worker, so the arrays need no lock; the last worker of a
/// region is found by counting down, which also makes the others' writes visible to it.
final class IncomingFile: @unchecked Sendable {
    static let pageSize = VaultFormat.pageBytes
    static let regionPages = VaultFormat.regionPages

    /// A gibibyte of the file, or its last part.
    final class Region: @unchecked Sendable {
        /// Where the pages are; filled in disjoint ranges.
        let map: RegionMapBuilder
        /// CRC-32C of each page's bytes, the last page's without filling.
        let checksums: UnsafeMutablePointer<UInt32>
        /// The same region in the parent point, if it has one.
        let parent: ParentMaps.Known?
        /// What becomes of the pages the parent has, by the pack of its map; nil: all stay there.
        let turns: [Evacuation.Turn]?
        /// Pages that the stream does not bring and that are stored again; written once, by whoever
        /// makes the region.
        var moving: [Int] = []
        /// Fingerprints of pages on their way into a frame.
        let fingerprints: UnsafeMutablePointer<UInt64>
        private let unplaced: Atomic<Int>

        /// - Parameter arriving: pages that come through the stream.
        init(
            pages: Int,
            arriving: Int,
            session: PointID,
            parent: ParentMaps.Known?,
            evacuation: Evacuation?
        ) {
            self.parent = parent
            turns = parent.flatMap { evacuation?.turns(of: $0.map.packs) }
            map = RegionMapBuilder(pages: pages, session: session, parent: parent?.map)
            checksums = .allocate(capacity: pages)
            fingerprints = .allocate(capacity: pages)
            checksums.initialize(repeating: 0, count: pages)
            fingerprints.initialize(repeating: 0, count: pages)
            unplaced = Atomic(arriving)
        }

        deinit {
            checksums.deallocate()
            fingerprints.deallocate()
        }

        /// Counts `count` pages as placed; true for the caller that placed the last.
        func placed(_ count: Int) -> Bool {
            unplaced.subtract(count, ordering: .acquiringAndReleasing).newValue == 0
        }
    }

    /// What the tar header says.
    let entry: TarEntry
    /// The path in the data directory, raw bytes.
    let path: [UInt8]
    /// Bytes of the file.
    let size: UInt64
    /// Pages of the file.
    let pages: UInt64
    /// Which pages come, when not all do.
    let changes: IncrementalFile?
    /// Pages that have come; the receiver's alone.
    var received: UInt64 = 0

    private let session: PointID
    private let parents: ParentMaps?
    private let state: Mutex<State>

    private struct State {
        var open: [Int: Region] = [:]
        var stored: [StoredRegion?]
        var missing: Int
    }

    /// What remains of a region once its map is in a pack.
    struct StoredRegion: Sendable {
        /// Its place in the vault, or the map itself for a small file.
        var content: RegionContent
        /// CRC-32C of its bytes.
        var checksum: UInt32
        /// Bytes of the file in it.
        var bytes: UInt64
    }

    /// A region's map: by reference, or inline.
    enum RegionContent: Sendable {
        case stored(RegionRef)
        case inline(RegionMap)
    }

    init(
        entry: TarEntry,
        path: [UInt8],
        session: PointID,
        parents: ParentMaps?,
        changes: IncrementalFile?
    ) {
        self.entry = entry
        self.path = path
        self.session = session
        self.parents = parents
        self.changes = changes
        size = changes.map { $0.pages * UInt64(Self.pageSize) } ?? entry.size
        pages = (size + UInt64(Self.pageSize) - 1) / UInt64(Self.pageSize)
        let count = Int((pages + UInt64(Self.regionPages) - 1) / UInt64(Self.regionPages))
        state = Mutex(State(stored: Array(repeating: nil, count: count), missing: count))
    }

    /// Pages that come through the stream.
    var pagesSent: UInt64 { changes.map { UInt64($0.header.blocks.count) } ?? pages }

    /// The next pages to come: the number of the first, and how many follow each other.
    var nextRun: (first: UInt64, count: UInt64) {
        guard let blocks = changes?.header.blocks[Int(received)...], let first = blocks.first
        else { return (received, pages - received) }
        let last = zip(blocks, blocks.dropFirst()).first { $0 + 1 != $1 }?.0 ?? blocks.last
        return (UInt64(first), UInt64((last ?? first) - first) + 1)
    }

    /// The region, made when its first page comes: a big file's regions come one after the other.
    func region(_ number: Int) throws -> Region {
        try state.withLock { state in
            if let region = state.open[number] { return region }
            let left = pages - UInt64(number * Self.regionPages)
            let count = Int(min(left, UInt64(Self.regionPages)))
            let region = Region(
                pages: count,
                arriving: changes.map { $0.header.blocks.count } ?? count,
                session: session,
                parent: try parents?.known(path, region: number),
                evacuation: parents?.evacuation
            )
            try changes?.settle(region, parents?.evacuation)
            state.open[number] = region
            return region
        }
    }

    /// Bytes of the file in region `number`.
    func bytes(ofRegion number: Int) -> UInt64 {
        let regionBytes = UInt64(Self.regionPages * Self.pageSize)
        return min(size - UInt64(number) * regionBytes, regionBytes)
    }

    /// Keeps what remains of a region and lets its memory go. Returns all regions in order to the
    /// caller that stored the last one.
    func store(_ region: StoredRegion, _ number: Int) -> [StoredRegion]? {
        state.withLock { state in
            state.open[number] = nil
            state.stored[number] = region
            state.missing -= 1
            return state.missing == 0 ? state.stored.compactMap { $0 } : nil
        }
    }
}
