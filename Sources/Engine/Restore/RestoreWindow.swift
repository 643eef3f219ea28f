import Domain
import Vaulting

/// A share of the work for one thread: regions and small files whose pages are fetched together, in
/// the order they lie in the vault.
struct RestoreWindow: Sendable {
    /// A region of a file.
    struct Part: Sendable {
        let file: RestoredFile
        let region: Int
        let pages: Int
        /// True for a file that is gathered in memory and written at once.
        let isSmall: Bool
    }

    /// Stored pages wanted; tags are the part's position and the page in it.
    private(set) var runs: [PageRun] = []
    /// What the tags speak of.
    private(set) var parts: [Part] = []
    private var largeParts = 0
    private var smallBytes = 0
    private var largePages = 0

    /// Limits of a window: memory for small files, open files, and pages so that all threads get a
    /// share while each still reads long runs.
    private static let smallBytesMax = 16 << 20
    private static let largePartsMax = 32
    /// Empty files have no pages, but are remembered until they are written.
    private static let partsMax = 8192

    /// True when nothing is in it.
    var isEmpty: Bool { parts.isEmpty }

    /// True when it should be handed out; `pagesMax` is the share of a thread.
    func isFull(pagesMax: Int) -> Bool {
        largePages >= pagesMax || largeParts >= Self.largePartsMax
            || smallBytes >= Self.smallBytesMax || parts.count >= Self.partsMax
    }

    /// Adds a region whose map is `map`.
    mutating func add(_ part: Part, _ map: RegionMap, from reader: PointReader) throws {
        runs += try reader.runs(of: map, tag: UInt64(parts.count) << 32)
        parts.append(part)
        if part.isSmall {
            smallBytes += part.pages * VaultFormat.pageBytes
        } else {
            largeParts += 1
            largePages += part.pages
        }
    }

    /// The part and page a tag speaks of.
    static func resolve(_ tag: UInt64) -> (part: Int, page: Int) {
        (Int(tag >> 32), Int(tag & 0xffff_ffff))
    }
}
