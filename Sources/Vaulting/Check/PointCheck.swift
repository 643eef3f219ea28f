import Domain
import Sealing
import Storage

/// Restores one point in memory: every page against its fingerprint and PostgreSQL's own checksum,
/// every sum against the maps.
final class PointCheck {
    private let point: PointReader
    private let check: VaultCheck
    private let root: ObjectName
    private var wrongPages = 0
    private var firstWrong: String?

    init(_ point: PointReader, _ check: VaultCheck) {
        self.point = point
        self.check = check
        root = VaultNames.root(point.systemIdentifier, point.point.id)
    }

    /// Looks at all files from the one at `first` on, and at all maps. `isSpent` is asked before
    /// each file; when it says so, the path of that file is returned, else nil.
    func run(from first: [UInt8] = [], isSpent: () -> Bool = { false }) throws -> [UInt8]? {
        defer { tellWrongPages() }
        let fingerprinter = Fingerprinter(key: try point.vault.keys.fingerprintKey())
        let fetcher = point.makeFetcher()
        var tally = PackTally()
        var isComplete = true
        var hasRead = false
        for (number, frame) in point.root.catalog.enumerated() {
            tally.add(frame.place)
            var entries: [CatalogEntry] = []
            try examine(frame.place.pack) { entries = try point.entries(ofFrame: number) }
            if entries.isEmpty { isComplete = false }
            for entry in entries {
                guard case .file(let size, _, let content) = entry.kind else { continue }
                // Files before `first` were read earlier; their maps are counted again.
                let isRead = !entry.path.lexicographicallyPrecedes(first)
                if isRead, hasRead, isSpent() { return entry.path }
                hasRead = hasRead || isRead
                let judge = isRead ? check.judge(point.point, entry.path, size) : nil
                let pages = FileContent.pages(ofSize: size)
                for region in 0..<FileContent.regions(ofPages: pages) {
                    guard let map = try map(of: entry, content, region, &tally) else {
                        isComplete = false
                        continue
                    }
                    guard isRead else { continue }
                    try compare(map, of: entry, region, fetcher, fingerprinter, judge)
                }
            }
        }
        for attachment in point.root.attachments {
            for frame in attachment.frames { tally.add(frame) }
            let pack = attachment.frames.first?.pack
            try check.examine(
                pack.map { VaultNames.pack(point.systemIdentifier, $0) } ?? root,
                points: [point.point.id]
            ) { try point.read(attachment) { _ in } }
        }
        if isComplete { compare(tally) }
        return nil
    }

    /// Pages that came from the server damaged are as they were read: no pack is to blame.
    private func tellWrongPages() {
        guard let firstWrong else { return }
        let more = wrongPages > 1 ? ", and \(wrongPages - 1) more" : ""
        check.damaged(
            root,
            "damaged pages were backed up as the server had them: \(firstWrong)\(more)"
        )
    }

    private func examine(_ pack: PackID, _ body: () throws -> Void) throws {
        try check.examine(
            VaultNames.pack(point.systemIdentifier, pack),
            points: [point.point.id],
            body
        )
    }

    /// The region's map, its needs counted; nil when it cannot be read, which is reported.
    private func map(
        of entry: CatalogEntry,
        _ content: FileContent,
        _ region: Int,
        _ tally: inout PackTally
    ) throws -> RegionMap? {
        switch content {
        case .inline(let map):
            tally.add(inline: map)
            return map
        case .regions(let regions):
            let reference = regions[region]
            var map: RegionMap?
            try examine(reference.delta?.pack ?? reference.base.pack) {
                map = try point.map(of: entry, region: region, fingerprints: true)
            }
            guard let map else { return nil }
            let needed = RegionRef(base: reference.base, delta: reference.delta, map: map).usage
            if Set(needed) != Set(reference.usage) {
                check.damaged(root, "\(entry.pathText): its usage does not fit its map")
            }
            for usage in needed { tally.add(usage) }
            return map
        }
    }

    /// Reads all pages of a region, pack by pack, so that damage is told of the right one.
    private func compare(
        _ map: RegionMap,
        of entry: CatalogEntry,
        _ region: Int,
        _ fetcher: PageFetcher,
        _ fingerprinter: Fingerprinter,
        _ judge: VaultCheck.PageJudge?
    ) throws {
        for (page, location) in map.locations.enumerated()
        where location.isZero && map.fingerprints[page] != 0 {
            return check.damaged(root, "\(entry.pathText): a zero page has a fingerprint")
        }
        var runs: [PageRun] = []
        try check.examine(root) { runs = try point.runs(of: map, tag: 0) }
        for (pack, runs) in Dictionary(grouping: runs, by: \.pack).sorted(by: { $0.key < $1.key }) {
            let id = point.root.packs[Int(pack)].info.id
            try examine(id) {
                try fetcher.fetch(runs) { tag, pages in
                    for index in 0..<pages.count / VaultFormat.pageBytes {
                        let start = index * VaultFormat.pageBytes
                        let page = UnsafeRawBufferPointer(
                            rebasing: pages[start..<start + VaultFormat.pageBytes]
                        )
                        let position = Int(tag) + index
                        let number = region * VaultFormat.regionPages + position
                        if fingerprinter.fingerprint(page) != map.fingerprints[position] {
                            throw PgkeepError(
                                .integrity,
                                "page \(number) of \(entry.pathText) is not as it was read"
                            )
                        }
                        if let wrong = judge?(number, page) {
                            wrongPages += 1
                            firstWrong =
                                firstWrong ?? "page \(number) of \(entry.pathText): \(wrong)"
                        }
                    }
                    try check.advance(UInt64(pages.count))
                }
            }
        }
    }

    private func compare(_ tally: PackTally) {
        let live = Dictionary(
            point.root.packs.map {
                (
                    $0.info.id,
                    PackUsage(
                        pack: $0.info.id,
                        pages: $0.livePages,
                        metaBytes: $0.liveMetaBytes
                    )
                )
            }
        ) { first, _ in first }
        let needed = Dictionary(tally.usage.map { ($0.pack, $0) }) { first, _ in first }
        if live != needed { check.damaged(root, "its pack table does not fit its maps") }
    }
}
