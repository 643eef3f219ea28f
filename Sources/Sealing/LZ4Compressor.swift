internal import CLZ4

/// LZ4's block format, with state allocated once.
final class LZ4Compressor: BlockCompressor {
    /// LZ4's trade of size for speed, 1 being the densest.
    ///
    /// Compressing is half of what a backup costs this side, and a few steps take little from the
    /// ratio of database pages.
    private static let acceleration: Int32 = 4

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
            Self.acceleration
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
