import Domain
import Platform
import Sealing
import Storage

/// Reads one WAL object from its first frame to its end, handing out the WAL bytes in order.
///
/// Finished objects must be perfect to the last byte. A journal may lack its end, since its writer
/// may have been killed or may be writing now: what such an end can look like is told apart from
/// damage (see `isTorn`), and damage always throws. Memory: one window of 2 MiB, one frame.
final class WALObjectReader {
    /// How an object ends.
    enum Ending {
        /// With directory and footer.
        case finished(WALSegmentInfo)
        /// At the last whole frame: a journal.
        case open
    }

    /// The object.
    let name: WALObjectName
    /// What it holds; nil for a journal too short to say so.
    private(set) var head: WALHead?
    /// WAL bytes handed out so far.
    private(set) var length: UInt64 = 0
    /// How the object ends, once everything before is handed out.
    private(set) var ending: Ending?

    let store: any ObjectStore
    let size: UInt64
    private(set) var position = UInt64(VaultFormat.headerBytes)
    private(set) var number: UInt32 = 0
    private var window = Buffer(capacity: 2 << 20)
    private var windowStart: UInt64 = 0
    private var raw = Buffer(capacity: WALObjectWriter.frameBytes)
    private var header: ObjectHeader?
    private(set) var opener: FrameOpener?
    private var directory = ObjectDirectory()

    /// Opens an object of `size` bytes and reads its head. Throws `.notFound` when it is gone (a
    /// journal may be published meanwhile), `.integrity` for damage.
    init(_ vault: Vault, _ name: WALObjectName, size: UInt64) throws {
        self.name = name
        self.size = size
        store = vault.store
        guard size >= UInt64(VaultFormat.headerBytes) else {
            try stop(orDamaged: "it is shorter than a header", isTorn: true)
            return
        }
        let front = try load(0, VaultFormat.headerBytes)
        if isJournal, isZero(front), try isZeroToEnd(from: 0) {
            ending = .open
            return
        }
        let header = try ObjectHeader(front, vault: vault.id, name: name.base)
        guard header.kind == .wal, header.purpose == .wal else {
            throw PgkeepError.damaged(name.object, "it is no WAL object")
        }
        self.header = header
        let key = try vault.objectKey(header, system: name.systemIdentifier)
        opener = FrameOpener(key: key, header: header.bytes)
        try readHead()
    }

    var isJournal: Bool { if case .journal = name.form { true } else { false } }

    /// The next WAL bytes, valid until the next call; nil at the end, when `ending` says more.
    func next() throws -> UnsafeRawBufferPointer? {
        guard ending == nil, let frame = try openFrame() else { return nil }
        switch FrameKind(rawValue: frame.kind) {
        case .wal:
            raw.count = Int(frame.rawBytes)
            length += UInt64(frame.rawBytes)
            guard let size = head?.segment.size.bytes, length <= size, raw.count > 0 else {
                throw PgkeepError.damaged(name.object, "it has more bytes than its segment")
            }
            return raw.bytes
        case .directory:
            try finish(frame)
            return nil
        default:
            throw PgkeepError.damaged(name.object, "a frame of kind \(frame.kind) is in it")
        }
    }

    /// Reads to the end without handing anything out: verifies all of it.
    func readToEnd() throws { while try next() != nil {} }

    // MARK: Frames

    private func readHead() throws {
        guard let frame = try openFrame() else { return }
        guard frame.kind == FrameKind.walHead.rawValue else {
            throw PgkeepError.damaged(name.object, "it does not begin with a head")
        }
        let bytes = UnsafeRawBufferPointer(rebasing: raw.memory[..<Int(frame.rawBytes)])
        let head = try WALHead(bytes, name.description)
        guard head.systemIdentifier == name.systemIdentifier, head.segment.name == name.segment
        else { throw PgkeepError.damaged(name.object, "it is of another segment") }
        self.head = head
    }

    /// Opens the frame at `position` into `raw` and steps over it; nil when the object ends here.
    private func openFrame() throws -> FrameHeader? {
        let left = size - position
        guard left > 0 else {
            try stop(orDamaged: "its end is missing", isTorn: true)
            return nil
        }
        guard left >= UInt64(Frame.headerBytes) else {
            try stop(orDamaged: "a frame is cut off", isTorn: true)
            return nil
        }
        guard let frame = FrameHeader(try load(position, Frame.headerBytes)),
            frame.number == number, fits(frame)
        else {
            try stop(
                orDamaged: "frame \(number) has a malformed header",
                isTorn: try endsInLostBlocks(frameEnd: position + UInt64(Frame.headerBytes))
            )
            return nil
        }
        guard UInt64(frame.frameBytes) <= left else {
            try stop(
                orDamaged: "frame \(number) is cut off",
                isTorn: try !opensWhenShortened(frame)
            )
            return nil
        }
        do {
            let bytes = try load(position, frame.frameBytes)
            if Int(frame.rawBytes) > raw.capacity { raw = Buffer(capacity: Int(frame.rawBytes)) }
            guard let opener else { preconditionFailure("no key") }
            _ = try opener.open(bytes, expectNumber: number, into: raw.memory)
        } catch let error as PgkeepError where error.code == .integrity {
            try stop(
                orDamaged: error.message,
                isTorn: try endsInLostBlocks(frameEnd: position + UInt64(frame.frameBytes))
            )
            return nil
        }
        if let kind = FrameKind(rawValue: frame.kind), kind != .directory {
            directory.append(
                kind: kind,
                codec: frame.codec,
                storedBytes: frame.storedBytes,
                rawBytes: frame.rawBytes
            )
        }
        position += UInt64(frame.frameBytes)
        number += 1
        return frame
    }

    private func fits(_ frame: FrameHeader) -> Bool {
        switch FrameKind(rawValue: frame.kind) {
        case .walHead: number == 0 && frame.rawBytes == WALHead.byteCount
        case .wal: number > 0 && frame.rawBytes <= WALObjectWriter.frameBytes
        case .directory: number > 0 && frame.rawBytes <= VaultFormat.frameRawBytesMax
        default: false
        }
    }

    /// The directory frame is in `raw`: compares it with what was read, then the footer.
    private func finish(_ frame: FrameHeader) throws {
        let content = UnsafeRawBufferPointer(rebasing: raw.memory[..<Int(frame.rawBytes)])
        let found = try ObjectDirectory(content, name.description)
        guard found.frames == directory.frames, let header else {
            throw PgkeepError.damaged(name.object, "its directory speaks of other frames")
        }
        let left = size - position
        guard left >= UInt64(VaultFormat.footerBytes) else {
            try stop(orDamaged: "its footer is cut off", isTorn: true)
            return
        }
        let footer = ObjectFooter(
            directoryOffset: directory.end,
            directoryBytes: UInt32(frame.frameBytes),
            frames: UInt32(directory.frames.count),
            objectID: header.objectID
        )
        let end = position + UInt64(VaultFormat.footerBytes)
        guard left == UInt64(VaultFormat.footerBytes),
            try load(position, VaultFormat.footerBytes).elementsEqual(footer.bytes)
        else {
            try stop(
                orDamaged: "its footer is wrong",
                isTorn: try endsInLostBlocks(frameEnd: end)
            )
            return
        }
        let info = try ControlJSON.decode(
            WALSegmentInfo.self,
            found.payload,
            "the directory of \(name)"
        )
        guard info.length == length, expectedLength.map({ $0 == length }) ?? true else {
            throw PgkeepError.damaged(name.object, "it holds \(length) bytes of WAL")
        }
        ending = .finished(info)
    }

    private var expectedLength: UInt64? {
        switch name.form {
        case .sealed: head?.segment.size.bytes
        case .part(let length): UInt64(length)
        case .journal, .alternate: nil
        }
    }

    private func stop(orDamaged reason: String, isTorn: Bool) throws {
        guard isJournal, isTorn else { throw PgkeepError.damaged(name.object, reason) }
        ending = .open
    }

    // MARK: Bytes

    /// `count` bytes of the object from `offset` on, valid until the next call.
    func load(_ offset: UInt64, _ count: Int) throws -> UnsafeRawBufferPointer {
        let isHeld =
            offset >= windowStart && offset + UInt64(count) <= windowStart + UInt64(window.count)
        if !isHeld {
            if count > window.capacity { window = Buffer(capacity: count) }
            let length = Int(min(UInt64(window.capacity), size - offset))
            window.count = 0
            try store.get(
                name.object,
                range: offset..<offset + UInt64(length),
                into: UnsafeMutableRawBufferPointer(rebasing: window.memory[..<length])
            )
            windowStart = offset
            window.count = length
        }
        let start = Int(offset - windowStart)
        return UnsafeRawBufferPointer(rebasing: window.bytes[start..<start + count])
    }
}
