import Domain
import Platform
import Sealing
import Storage

/// Writes one WAL object: head frame, WAL frames, and at its end directory and footer.
///
/// Bytes are collected into frames of 128 KiB and frames into writes of about 1 MiB; nothing is
/// durable before `sync` or `publish`. One thread at a time. After an error the object is given
/// up: every further call throws, and the bytes are sent again under a new object id.
final class WALObjectWriter {
    /// Raw bytes of a full frame.
    static let frameBytes = 128 << 10
    private static let outputBytes = 1 << 20
    /// Frames of which an object must have more before their size matters.
    private static let fewFrames = 8
    /// Mean raw bytes below which a finished object is written again in full frames.
    private static let smallFrameBytes: UInt64 = 32 << 10

    /// What the object holds.
    let head: WALHead
    /// Its name as a journal; hidden objects carry it in messages only.
    let name: WALObjectName
    /// Bytes of WAL taken so far.
    private(set) var length: UInt64 = 0
    /// CRC-32C of them.
    private(set) var crc: UInt32 = 0

    private let sink: any ObjectWriter
    private let sealer: SealedObjectWriter
    private var pending = Buffer(capacity: frameBytes)

    /// Begins an object. A `visible` one appears in the store as a journal at once.
    init(_ vault: Vault, head: WALHead, visible: Bool) throws {
        self.head = head
        let id = hexadecimal(SecureRandom.bytes(16))
        name = WALObjectName(head.systemIdentifier, segment: head.segment.name, .journal(id))
        sink = try vault.store.create(name.object, visible: visible)
        sealer = try SealedObjectWriter(
            vault,
            name: name.base,
            kind: .wal,
            system: head.systemIdentifier,
            into: sink,
            bufferBytes: Self.outputBytes
        )
        try sealer.append(.walHead, head.bytes, compress: false)
        // Others see at once whose journal it is.
        if visible { try sealer.flush() }
    }

    /// WAL frames so far, without the one being filled.
    var frames: Int { Int(sealer.frames) - 1 }

    /// Bytes of the object so far; those handed to the store can be read there.
    var objectBytes: UInt64 { sealer.length }

    /// True when most frames are so small that reading the object would be slow and storing it
    /// wasteful: the mark of many flushes.
    var isFragmented: Bool {
        frames > Self.fewFrames && length / UInt64(frames) < Self.smallFrameBytes
    }

    /// Takes bytes; full frames are sealed at once, the rest waits.
    func append(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while !rest.isEmpty {
            let taken: Int
            if pending.count == 0, rest.count >= Self.frameBytes {
                taken = Self.frameBytes
                try sealer.append(.wal, UnsafeRawBufferPointer(rebasing: rest[..<taken]))
            } else {
                taken = pending.append(rest)
                if pending.room == 0 { try sealPending() }
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[taken...])
        }
        length += UInt64(bytes.count)
        crc = CRC32C.of(bytes, from: crc)
    }

    /// Takes all bytes another object holds.
    func append(contentsOf reader: WALObjectReader) throws {
        while let bytes = try reader.next() { try append(bytes) }
    }

    /// Seals what waits and hands everything to the store, where readers see it.
    func drain() throws {
        try sealPending()
        try sealer.flush()
    }

    /// Makes all bytes taken so far durable, and the journal's name with them.
    func sync() throws {
        try sealPending()
        try sealer.sync()
    }

    /// Ends the object with directory and footer. Nothing may be appended afterwards.
    func close(summary: WALSummary?) throws {
        try sealPending()
        let info = WALSegmentInfo(length: length, crc32c: crc, summary: summary)
        _ = try sealer.seal(payload: try ControlJSON.encode(info))
    }

    /// Makes the closed object durable under `name`; false when that is taken.
    func publish(as name: WALObjectName) throws -> Bool { try sink.publish(as: name.object) }

    /// Advises that nobody will read the object soon.
    func releaseCache() { sink.releaseCache() }

    /// Removes what was written.
    func discard() throws { try sink.discard() }

    private func sealPending() throws {
        guard pending.count > 0 else { return }
        try sealer.append(.wal, pending.bytes)
        pending.count = 0
    }
}
