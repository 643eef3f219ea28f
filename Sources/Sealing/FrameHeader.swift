/// The clear header before each frame, 16 bytes, little-endian:
/// `u32 stored | u32 raw | u8 kind | u8 codec | u16 zero | u32 number`.
///
/// It is authenticated with the frame, so after `FrameOpener.open` it can be trusted; before that
/// it only says where the frame ends.
public struct FrameHeader: Hashable, Sendable {
    /// Length of the ciphertext, without header and tag.
    public var storedBytes: UInt32
    /// Length of the content once opened and decompressed.
    public var rawBytes: UInt32
    /// What the content is; the meaning belongs to the layer above.
    public var kind: UInt8
    /// The `Codec` byte; unknown values are kept as they are.
    public var codec: UInt8
    /// The frame's number in its object: the nonce.
    public var number: UInt32

    /// A header with the given fields.
    public init(storedBytes: UInt32, rawBytes: UInt32, kind: UInt8, codec: UInt8, number: UInt32) {
        self.storedBytes = storedBytes
        self.rawBytes = rawBytes
        self.kind = kind
        self.codec = codec
        self.number = number
    }

    /// Reads a header from the first 16 bytes; nil when there are fewer, when a length is beyond
    /// the limit, or when a reserved bit is set.
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= Frame.headerBytes else { return nil }
        func word(_ offset: Int) -> UInt32 {
            UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        }
        self.init(
            storedBytes: word(0),
            rawBytes: word(4),
            kind: bytes[8],
            codec: bytes[9],
            number: word(12)
        )
        guard bytes[10] == 0, bytes[11] == 0, rawBytes <= Frame.rawBytesMax,
            storedBytes <= rawBytes
        else { return nil }
    }

    /// The length of the whole frame: header, ciphertext and tag.
    public var frameBytes: Int { Frame.overheadBytes + Int(storedBytes) }

    /// Writes the 16 bytes to the front of `output`.
    public func encode(into output: UnsafeMutableRawBufferPointer) {
        precondition(output.count >= Frame.headerBytes)
        output.storeBytes(of: storedBytes.littleEndian, toByteOffset: 0, as: UInt32.self)
        output.storeBytes(of: rawBytes.littleEndian, toByteOffset: 4, as: UInt32.self)
        output.storeBytes(of: kind, toByteOffset: 8, as: UInt8.self)
        output.storeBytes(of: codec, toByteOffset: 9, as: UInt8.self)
        output.storeBytes(of: 0, toByteOffset: 10, as: UInt16.self)
        output.storeBytes(of: number.littleEndian, toByteOffset: 12, as: UInt32.self)
    }
}
