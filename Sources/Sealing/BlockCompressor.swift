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
