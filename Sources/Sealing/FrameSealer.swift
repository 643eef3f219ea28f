public import Domain

/// Compresses and seals the frames of one new object, straight into the caller's memory.
///
/// Nonce: the frame number. Associated data: the 64-byte object header, then the frame header, so a
/// frame fits only its own place in its own object. A number is sealed at most once: numbers must
/// rise, and an object interrupted by a crash is begun anew under a new object id, hence a new key.
/// One cipher context and one codec state are reused: not thread safe, one for each object and
/// thread.
public final class FrameSealer {
    private let gcm: GCM
    private let compressor: any BlockCompressor = LZ4Compressor()
    // 64 bytes object header, 16 bytes frame header, 12 bytes nonce.
    private let scratch: UnsafeMutableRawBufferPointer
    private var nextNumber: UInt64 = 0

    private static let nonceOffset = Frame.objectHeaderBytes + Frame.headerBytes

    /// A sealer for the object whose clear header is `header` (64 bytes).
    public init(key: ObjectKey, header: [UInt8]) {
        precondition(header.count == Frame.objectHeaderBytes)
        gcm = GCM(key: key.secret, .seal)
        scratch = .allocate(byteCount: Self.nonceOffset + GCM.nonceBytes, alignment: 16)
        scratch.initializeMemory(as: UInt8.self, repeating: 0)
        scratch.copyBytes(from: header)
    }

    deinit { scratch.deallocate() }

    /// The most bytes a frame of `rawBytes` raw bytes can take.
    public static func bound(rawBytes: Int) -> Int { rawBytes + Frame.overheadBytes }

    /// Seals one frame to the front of `output` and returns its whole length.
    ///
    /// `raw` is at most `Frame.rawBytesMax` long, only read, and must not overlap `output`, which
    /// has room for `bound(rawBytes: raw.count)`. `number` is higher than any before. With
    /// `compress`, content that does not shrink is stored raw.
    public func seal(
        _ raw: UnsafeRawBufferPointer,
        kind: UInt8,
        number: UInt32,
        compress: Bool,
        into output: UnsafeMutableRawBufferPointer
    ) throws(PgkeepError) -> Int {
        precondition(raw.count <= Frame.rawBytesMax, "frame too large")
        precondition(output.count >= Self.bound(rawBytes: raw.count), "no room for the frame")
        precondition(UInt64(number) >= nextNumber, "a frame number is sealed only once")
        nextNumber = UInt64(number) + 1

        let body = UnsafeMutableRawBufferPointer(
            rebasing: output[Frame.headerBytes..<Frame.headerBytes + raw.count]
        )
        var stored = raw
        var codec = Codec.raw
        if compress, raw.count > 1 {
            // One byte less than the raw length: what fits has shrunk.
            let room = UnsafeMutableRawBufferPointer(rebasing: body[..<(raw.count - 1)])
            if let length = compressor.compress(raw, into: room) {
                stored = UnsafeRawBufferPointer(rebasing: body[..<length])
                codec = compressor.codec
            }
        }
        let header = FrameHeader(
            storedBytes: UInt32(stored.count),
            rawBytes: UInt32(raw.count),
            kind: kind,
            codec: codec.rawValue,
            number: number
        )
        header.encode(into: output)
        header.encode(
            into: UnsafeMutableRawBufferPointer(rebasing: scratch[Frame.objectHeaderBytes...])
        )
        guard let base = output.baseAddress, let place = scratch.baseAddress else {
            preconditionFailure("no memory")
        }
        Frame.setNonce(place + Self.nonceOffset, number: number)
        gcm.seal(
            nonce: place + Self.nonceOffset,
            associated: UnsafeRawBufferPointer(rebasing: scratch[..<Self.nonceOffset]),
            stored,
            to: base + Frame.headerBytes,
            tag: base + Frame.headerBytes + stored.count
        )
        return header.frameBytes
    }
}
