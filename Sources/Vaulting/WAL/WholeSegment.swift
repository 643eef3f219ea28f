import Domain
import Platform
import Storage

/// A segment that is archived whole, written out by two threads: a recovering server waits for each
/// one, and opening and decompressing take most of that time.
struct WholeSegment {
    private let vault: Vault
    private let object: SealedObject
    /// Where each frame's bytes begin in the segment; the head's entry is not used.
    private let offsets: [UInt64]
    /// The segment.
    let segment: WALSegment

    private static let readBytes = 1 << 20

    /// Opens the segment; nil when it is not archived under its own name. Throws `.integrity` for
    /// damage.
    init?(_ vault: Vault, _ name: WALObjectName) throws {
        guard let found = try vault.store.head(name.object) else { return nil }
        let reader = try SealedObjectReader(
            vault,
            found.name,
            kinds: [.wal],
            system: name.systemIdentifier,
            boundTo: name.base
        )
        let frames = reader.object.directory.frames
        guard frames.first?.kind == .walHead, frames.dropFirst().allSatisfy({ $0.kind == .wal })
        else { throw PgkeepError.damaged(name.object, "it is no WAL segment") }
        let head = try reader.read(0).withUnsafeBytes { try WALHead($0, name.description) }
        guard head.systemIdentifier == name.systemIdentifier, head.segment.name == name.segment
        else { throw PgkeepError.damaged(name.object, "it is of another segment") }
        var offsets: [UInt64] = [0]
        var position: UInt64 = 0
        for frame in frames.dropFirst() {
            offsets.append(position)
            position += UInt64(frame.rawBytes)
        }
        guard position == head.segment.size.bytes else {
            throw PgkeepError.damaged(name.object, "it holds \(position) bytes of WAL")
        }
        self.vault = vault
        self.offsets = offsets
        object = reader.object
        segment = head.segment
    }

    /// Writes all bytes of the segment to `file`.
    func write(to file: File) throws {
        let count = object.directory.frames.count
        let middle = 1 + count / 2
        let second = Thread<Void>("wal-fetch") { [self] in try write(middle..<count, to: file) }
        let first = Result { try write(1..<middle, to: file) }
        // Waited for in any case: it writes to the file.
        let rest = Result { try second.join() }
        try first.get()
        try rest.get()
    }

    private func write(_ frames: Range<Int>, to file: File) throws {
        let reader = SealedObjectReader(vault, sharing: object)
        var block = Buffer(capacity: Self.readBytes)
        var raw = Buffer(capacity: WALObjectWriter.frameBytes)
        var next = frames.lowerBound
        while next < frames.upperBound {
            // As many frames as one read holds; a frame is never longer than a read.
            let begin = object.directory.frames[next].offset
            var end = next
            var bytes = 0
            while end < frames.upperBound {
                let frame = object.directory.frames[end]
                guard bytes + frame.bytes <= Self.readBytes || end == next else { break }
                bytes += frame.bytes
                end += 1
            }
            if bytes > block.capacity { block = Buffer(capacity: bytes) }
            block.count = bytes
            try vault.store.get(
                object.location,
                range: begin..<begin + UInt64(bytes),
                into: UnsafeMutableRawBufferPointer(rebasing: block.memory[..<bytes])
            )
            for number in next..<end {
                let frame = object.directory.frames[number]
                let start = Int(frame.offset - begin)
                if Int(frame.rawBytes) > raw.capacity {
                    raw = Buffer(capacity: Int(frame.rawBytes))
                }
                raw.count = try reader.open(
                    number,
                    UnsafeRawBufferPointer(rebasing: block.bytes[start..<start + frame.bytes]),
                    into: raw.memory
                )
                try file.write(raw.bytes, at: offsets[number])
            }
            next = end
        }
    }
}
