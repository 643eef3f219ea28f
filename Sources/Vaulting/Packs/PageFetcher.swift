import Domain
import Platform
import Storage

/// Consecutive pages of one pack that are wanted.
public struct PageRun: Hashable, Sendable {
    /// The pack's position in the root's table.
    public var pack: UInt32
    /// The first page's number in the pack.
    public var page: UInt32
    /// Pages.
    public var length: UInt32
    /// What the first page is to the caller; the next pages count up from there.
    public var tag: UInt64

    /// Wanted pages.
    public init(pack: UInt32, page: UInt32, length: UInt32, tag: UInt64) {
        self.pack = pack
        self.page = page
        self.length = length
        self.tag = tag
    }
}

/// Reads wanted pages in the order they lie in the packs: long reads, each frame opened once.
///
/// One for each thread; layouts of packs are shared. Memory: 4 MiB and a frame.
public final class PageFetcher {
    private let reader: PointReader
    private var block = Buffer(capacity: readBytesMax)
    private var frame = Buffer(capacity: VaultFormat.pageFrameBytes)
    /// Bytes read from the vault so far.
    public private(set) var readBytes: UInt64 = 0

    /// Bytes not wanted between two wanted frames that are read along rather than skipped.
    private static let gapBytes: UInt64 = 512 << 10
    private static let readBytesMax = 4 << 20

    init(_ reader: PointReader) { self.reader = reader }

    /// Fetches all pages of `runs`, which are given in any order, and hands them to `body` as they
    /// come: `tag` is that of the first page in the bytes, 1 to 16 whole pages with consecutive
    /// tags. The bytes are only valid during the call. Errors of `body` end it.
    public func fetch(
        _ runs: [PageRun],
        _ body: (_ tag: UInt64, _ pages: UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let sorted = runs.sorted { ($0.pack, $0.page) < ($1.pack, $1.page) }
        var start = 0
        while start < sorted.count {
            let pack = sorted[start].pack
            var end = start
            while end < sorted.count, sorted[end].pack == pack { end += 1 }
            try fetch(sorted[start..<end], ofPack: pack, body)
            start = end
        }
    }

    private func fetch(
        _ runs: ArraySlice<PageRun>,
        ofPack position: UInt32,
        _ body: (UInt64, UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let layout = try reader.pack(reader.root.packs[Int(position)].info.id)
        let opener = SealedObjectReader(reader.vault, sharing: layout.object)
        let wanted = try Self.frames(of: runs, in: layout)
        var rest = runs
        var next = 0
        while next < wanted.count {
            let read = Self.read(from: next, of: wanted, in: layout)
            try fill(read.range, of: layout.object.location)
            for place in wanted[read.frames] {
                try open(place, in: layout, with: opener, blockStart: read.range.lowerBound)
                try deliver(place, in: layout, &rest, body)
            }
            next = read.frames.upperBound
        }
    }

    /// The positions of the page frames that `runs` touch, ascending, each once.
    private static func frames(
        of runs: ArraySlice<PageRun>,
        in layout: PackLayout
    ) throws -> [Int] {
        var frames: [Int] = []
        for run in runs {
            guard run.length > 0, UInt64(run.page) + UInt64(run.length) <= UInt64(layout.pages)
            else {
                throw PgkeepError.damaged(
                    layout.object.location,
                    "it lacks pages from \(run.page) on"
                )
            }
            let first = layout.position(of: run.page)
            let last = layout.position(of: run.page + run.length - 1)
            let begin = max(first, (frames.last ?? -1) + 1)
            if begin <= last { frames.append(contentsOf: begin...last) }
        }
        return frames
    }

    /// How many of the frames from `first` on come with one read, and its range in the pack.
    private static func read(
        from first: Int,
        of wanted: [Int],
        in layout: PackLayout
    ) -> (frames: Range<Int>, range: Range<UInt64>) {
        func span(_ index: Int) -> Range<UInt64> {
            let frame = layout.object.directory.frames[Int(layout.pageFrames[wanted[index]])]
            return frame.offset..<frame.offset + UInt64(frame.bytes)
        }
        var range = span(first)
        var next = first + 1
        while next < wanted.count {
            let following = span(next)
            guard following.lowerBound - range.upperBound < gapBytes,
                following.upperBound - range.lowerBound <= UInt64(readBytesMax)
            else { break }
            range = range.lowerBound..<following.upperBound
            next += 1
        }
        return (first..<next, range)
    }

    private func fill(_ range: Range<UInt64>, of name: ObjectName) throws {
        block.count = range.count
        try reader.vault.store.get(
            name,
            range: range,
            into: UnsafeMutableRawBufferPointer(rebasing: block.memory[..<range.count])
        )
        readBytes += UInt64(range.count)
    }

    private func open(
        _ place: Int,
        in layout: PackLayout,
        with opener: SealedObjectReader,
        blockStart: UInt64
    ) throws {
        let number = Int(layout.pageFrames[place])
        let entry = layout.object.directory.frames[number]
        let offset = Int(entry.offset - blockStart)
        frame.count = try opener.open(
            number,
            UnsafeRawBufferPointer(rebasing: block.memory[offset..<offset + entry.bytes]),
            into: frame.memory
        )
    }

    /// Hands out what the runs want of the frame just opened, and drops runs that are complete.
    private func deliver(
        _ place: Int,
        in layout: PackLayout,
        _ runs: inout ArraySlice<PageRun>,
        _ body: (UInt64, UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let start = layout.firstPages[place]
        let end = layout.firstPages[place + 1]
        for run in runs {
            guard run.page < end else { break }
            let from = max(run.page, start)
            let to = min(run.page + run.length, end)
            guard from < to else { continue }
            let bytes = frame.bytes[
                Int(from - start) * VaultFormat.pageBytes..<Int(to - start) * VaultFormat.pageBytes
            ]
            try body(run.tag + UInt64(from - run.page), UnsafeRawBufferPointer(rebasing: bytes))
        }
        while let first = runs.first, first.page + first.length <= end { runs.removeFirst() }
    }
}
