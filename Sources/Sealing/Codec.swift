internal import CLZ4

/// How the bytes of a frame are stored, as its header says.
public enum Codec: UInt8, Sendable {
    /// As they are: they did not shrink, or were not to be compressed.
    case raw = 0
    /// One LZ4 block.
    case lz4 = 1
    /// Reserved for Zstandard; this version refuses it.
    case zstd = 2
}

/// One compression method for whole frames; a second codec is a second type of this kind.
///
/// An implementation may keep state between calls to save allocations and is used by one thread.
protocol BlockCompressor: AnyObject {
    /// The codec byte of frames it makes and reads.
    var codec: Codec { get }

    /// Compresses `raw` into `room` and returns the length, or nil when it does not fit.
    func compress(_ raw: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) -> Int?

    /// Decompresses `stored` and is true only when it yields exactly `raw.count` bytes. Reads and
    /// writes stay inside the two buffers whatever `stored` holds.
    func decompress(
        _ stored: UnsafeRawBufferPointer,
        into raw: UnsafeMutableRawBufferPointer
    ) -> Bool
}

/// LZ4's block format at its fastest real compression (acceleration 1), with state allocated once.
final class LZ4Compressor: BlockCompressor {
    private let state: UnsafeMutableRawPointer

    init() { state = .allocate(byteCount: Int(LZ4_sizeofState()), alignment: 16) }

    deinit { state.deallocate() }

    var codec: Codec { .lz4 }

    func compress(_ raw: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) -> Int? {
        guard raw.count > 0, room.count > 0 else { return nil }
        let length = LZ4_compress_fast_extState(
            state,
            raw.baseAddress?.assumingMemoryBound(to: CChar.self),
            room.baseAddress?.assumingMemoryBound(to: CChar.self),
            Int32(raw.count),
            Int32(room.count),
            1
        )
        return length > 0 ? Int(length) : nil
    }

    func decompress(
        _ stored: UnsafeRawBufferPointer,
        into raw: UnsafeMutableRawBufferPointer
    ) -> Bool {
        guard raw.count > 0 else { return false }
        let length = LZ4_decompress_safe(
            stored.baseAddress?.assumingMemoryBound(to: CChar.self),
            raw.baseAddress?.assumingMemoryBound(to: CChar.self),
            Int32(stored.count),
            Int32(raw.count)
        )
        return Int(length) == raw.count
    }
}
