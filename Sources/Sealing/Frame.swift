/// The sizes of a sealed frame: `16 bytes header | stored bytes | 16 bytes tag`.
public enum Frame {
    /// The length of the clear header.
    public static let headerBytes = 16
    /// The length of the authentication tag behind the stored bytes.
    public static let tagBytes = GCM.tagBytes
    /// What a frame costs beyond its stored bytes.
    public static let overheadBytes = headerBytes + tagBytes
    /// The most raw bytes one frame holds.
    public static let rawBytesMax = 4 << 20
    /// The length of the object header, which is authenticated with each frame of the object.
    public static let objectHeaderBytes = 64

    /// 96-bit nonce: 8 zero bytes, then the frame number big-endian.
    static func setNonce(_ nonce: UnsafeMutableRawPointer, number: UInt32) {
        nonce.storeBytes(of: number.bigEndian, toByteOffset: 8, as: UInt32.self)
    }
}
