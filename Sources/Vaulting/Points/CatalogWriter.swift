import Domain
import Platform

/// Collects the entries of a point in any order and from any thread, then writes them sorted.
///
/// An entry is kept encoded (a small file takes about its path plus 30 bytes) in pieces that never
/// move, so a million of them take 80 MiB.
public final class CatalogWriter: Sendable {
    private struct Slot {
        var piece: UInt32
        var offset: UInt32
        var bodyBytes: UInt32
        var pathBytes: UInt16

        var length: Int { Int(pathBytes) + Int(bodyBytes) }
    }

    /// Bytes of a piece, more when one entry has more.
    private static let pieceBytes = 1 << 20

    private struct State {
        var pieces: [[UInt8]] = []
        var slots: [Slot] = []
        var body = ByteWriter()
        var tally = PackTally()
        var files: UInt64 = 0
        var logicalBytes: UInt64 = 0
    }

    private let state = Condition(State())

    /// An empty catalog.
    public init() {}

    /// Adds an entry. Throws `.integrity` for a path or target no vault can hold.
    public func add(_ entry: CatalogEntry) throws {
        try Self.check(entry.path, entry)
        if case .link(let target) = entry.kind { try Self.check(target, entry) }
        state.change { state in
            state.body.removeAll()
            CatalogCodec.encode(entry, into: &state.body, &state.tally)
            let length = entry.path.count + state.body.count
            if state.pieces.last.map({ $0.count + length > Self.pieceBytes }) ?? true {
                state.pieces.append([])
                state.pieces[state.pieces.count - 1].reserveCapacity(max(length, Self.pieceBytes))
            }
            let piece = state.pieces.count - 1
            state.slots.append(
                Slot(
                    piece: UInt32(piece),
                    offset: UInt32(state.pieces[piece].count),
                    bodyBytes: UInt32(state.body.count),
                    pathBytes: UInt16(entry.path.count)
                )
            )
            state.pieces[piece].append(contentsOf: entry.path)
            state.pieces[piece].append(contentsOf: state.body.bytes)
            if case .file(let size, _, _) = entry.kind {
                state.files += 1
                state.logicalBytes += size
            }
        }
    }

    /// Files added so far and their bytes.
    public var totals: (files: UInt64, bytes: UInt64) {
        state.read { ($0.files, $0.logicalBytes) }
    }

    /// Calls `body` with every entry added so far, in the order they came.
    public func forEachEntry(_ body: (CatalogEntry) throws -> Void) throws {
        // A copy, so that others may go on adding: arrays share their memory until then, and only
        // the piece being filled is ever copied.
        let (pieces, slots, packs) = state.read {
            ($0.pieces, $0.slots, $0.tally.usage.map(\.pack))
        }
        for slot in slots {
            try pieces[Int(slot.piece)].withUnsafeBytes { piece in
                let begin = Int(slot.offset)
                let start = begin + Int(slot.pathBytes)
                let encoded = UnsafeRawBufferPointer(
                    rebasing: piece[start..<start + Int(slot.bodyBytes)]
                )
                var reader = ByteReader(encoded, "the catalog being written")
                try body(
                    try CatalogCodec.decode(
                        path: Array(piece[begin..<start]),
                        from: &reader,
                        packs: packs
                    )
                )
            }
        }
    }

    private static func check(_ bytes: [UInt8], _ entry: CatalogEntry) throws {
        guard !bytes.isEmpty, bytes.count <= VaultFormat.pathBytesMax, !bytes.contains(0) else {
            throw PgkeepError(
                .integrity,
                "the path of \(entry.pathText.debugDescription) cannot be stored",
                hint: "rename it, or report this with the file's full name"
            )
        }
    }

    /// Writes all entries, sorted, with `writer`; returns where the frames are and what all entries
    /// need. Throws `.integrity` when a path was added twice.
    func write(with writer: PackWriter) throws -> (index: [CatalogFrame], tally: PackTally) {
        try state.change { state in
            let index = try Self.write(&state.slots, of: state.pieces, with: writer)
            return (index, state.tally)
        }
    }

    private static func write(
        _ slots: inout [Slot],
        of pieces: [[UInt8]],
        with writer: PackWriter
    ) throws -> [CatalogFrame] {
        func path(_ slot: Slot) -> ArraySlice<UInt8> {
            let start = Int(slot.offset)
            return pieces[Int(slot.piece)][start..<start + Int(slot.pathBytes)]
        }
        slots.sort { path($0).lexicographicallyPrecedes(path($1)) }
        var index: [CatalogFrame] = []
        var block = ByteWriter(capacity: VaultFormat.catalogFrameBytes * 2)
        var count: UInt32 = 0
        var first: [UInt8] = []
        var last: ArraySlice<UInt8> = []
        func close() throws {
            guard count > 0 else { return }
            var frame = ByteWriter(capacity: block.count + 4)
            frame.append(count)
            frame.append(block.bytes)
            let place = try writer.append(.catalog, frame.bytes)
            index.append(CatalogFrame(place: place, entries: count, firstPath: first))
            block.removeAll()
            count = 0
        }
        for slot in slots {
            let path = path(slot)
            let body = pieces[Int(slot.piece)][path.endIndex..<Int(slot.offset) + slot.length]
            if block.count + slot.length > VaultFormat.catalogFrameBytes { try close() }
            if count == 0 { first = Array(path) }
            let shared = count == 0 ? 0 : zip(last, path).prefix { $0 == $1 }.count
            guard !path.elementsEqual(last) else {
                throw PgkeepError(
                    .integrity,
                    "\(String(decoding: path, as: UTF8.self)) came twice",
                    hint: "run the backup again; if it stays, report it with the server's version"
                )
            }
            block.appendVarint(UInt64(shared))
            block.appendVarint(UInt64(path.count - shared))
            block.append(path.dropFirst(shared))
            block.append(body)
            count += 1
            last = path
        }
        try close()
        return index
    }
}

/// Where one frame of the catalog is.
struct CatalogFrame {
    var place: FrameRef
    var entries: UInt32
    var firstPath: [UInt8]
}
