public import Domain

/// What an `INCREMENTAL.<name>` file of a server-side incremental backup says before its blocks.
///
/// Little-endian 32-bit numbers: magic, count of blocks, truncation length, the blocks' numbers in
/// this file ascending; then, if there are blocks, zeros up to a multiple of 8192, and the blocks.
/// Source of the format: sendFile of PostgreSQL's basebackup.c, incremental_file of 17 and later.
public struct IncrementalHeader: Hashable, Sendable {
    /// The numbers of the blocks that follow, ascending.
    public var blocks: [UInt32]
    /// Below it, a block not listed is as it was; at or above it, it is zeros.
    public var truncationLength: UInt32

    /// A header.
    ///
    /// The blocks must ascend and lie within a segment.
    public init(blocks: [UInt32], truncationLength: UInt32) {
        precondition(zip(blocks, blocks.dropFirst()).allSatisfy { $0 < $1 })
        precondition((blocks.last ?? 0) < RelationPath.segmentPages)
        self.blocks = blocks
        self.truncationLength = truncationLength
    }

    /// Blocks of the file that this and an older version of it make together.
    public var length: Int {
        Int(max(truncationLength, blocks.last.map { $0 + 1 } ?? 0))
    }

    /// The path of the file it stands for; nil when `path` is not that of an incremental file.
    ///
    /// Only files of relations are sent this way: elsewhere the name means nothing.
    public static func target(of path: [UInt8]) -> [UInt8]? {
        let start = (path.lastIndex(of: UInt8(ascii: "/")) ?? -1) + 1
        guard path[start...].starts(with: prefix) else { return nil }
        let target = Array(path[..<start] + path[(start + prefix.count)...])
        return RelationPath(target) == nil ? nil : target
    }

    private static let prefix = Array("INCREMENTAL.".utf8)
}

/// Reads an `IncrementalHeader` pushed in slices of any length.
public struct IncrementalHeaderReader {
    /// The header, once all its bytes and the filling behind them have come.
    public private(set) var header: IncrementalHeader?

    private let fileBytes: UInt64
    private var numbers: [UInt8] = []
    private var seen = 0
    private var count: Int?

    private static let magic: UInt32 = 0xd3ae_1f0d
    private static let fixedBytes = 12
    private static let pageBytes = 8192

    /// A reader at the beginning of a file of `fileBytes` bytes.
    public init(fileBytes: UInt64) { self.fileBytes = fileBytes }

    /// Takes what belongs to the header; returns how many bytes that were.
    ///
    /// What is left are blocks. Throws `.sourceIncremental` for anything no server sends.
    public mutating func feed(_ bytes: UnsafeRawBufferPointer) throws(PgkeepError) -> Int {
        var taken = 0
        while header == nil {
            let lacking = end - seen
            guard lacking > 0 else {
                if count == nil { try readCount() } else { try readBlocks() }
                continue
            }
            guard taken < bytes.count else { break }
            let length = min(lacking, bytes.count - taken)
            // The filling is counted, not kept.
            let kept = max(0, min(length, listEnd - seen))
            numbers.append(contentsOf: bytes[taken..<taken + kept])
            seen += length
            taken += length
        }
        return taken
    }

    /// Throws unless the header has come; call at the end of the file.
    public func finish() throws(PgkeepError) {
        guard header != nil else { throw Self.broken("it ends within its header") }
    }

    private var listEnd: Int { Self.fixedBytes + (count ?? 0) * 4 }

    private var end: Int {
        guard let count, count > 0 else { return Self.fixedBytes }
        return (listEnd + Self.pageBytes - 1) / Self.pageBytes * Self.pageBytes
    }

    private mutating func readCount() throws(PgkeepError) {
        guard number(0) == Self.magic else { throw Self.broken("it does not begin as one") }
        let count = number(4)
        // Checked before any of it is believed: the count decides how much is kept.
        guard count <= RelationPath.segmentPages else {
            throw Self.broken("it lists \(count) blocks")
        }
        self.count = Int(count)
        guard fileBytes == UInt64(end) + UInt64(count) * UInt64(Self.pageBytes) else {
            throw Self.broken("it is not as long as \(count) blocks need")
        }
    }

    private mutating func readBlocks() throws(PgkeepError) {
        var blocks: [UInt32] = []
        blocks.reserveCapacity(count ?? 0)
        for index in 0..<(count ?? 0) {
            let block = number(Self.fixedBytes + index * 4)
            guard block < RelationPath.segmentPages else {
                throw Self.broken("block \(block) lies beyond its segment")
            }
            if let last = blocks.last, last >= block {
                throw Self.broken("block \(block) follows block \(last)")
            }
            blocks.append(block)
        }
        // Before 17.8 and 18.2 a relation of several segments, truncated, gave more than a segment.
        let truncation = min(number(8), RelationPath.segmentPages)
        header = IncrementalHeader(blocks: blocks, truncationLength: truncation)
        numbers = []
    }

    private func number(_ offset: Int) -> UInt32 {
        numbers.withUnsafeBytes { $0.field(offset) }
    }

    private static func broken(_ what: String) -> PgkeepError {
        PgkeepError(.sourceIncremental, "an incremental file is malformed: \(what)")
    }
}
