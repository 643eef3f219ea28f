internal import CLZ4

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
