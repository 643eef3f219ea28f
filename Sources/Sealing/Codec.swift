/// How the bytes of a frame are stored, as its header says.
public enum Codec: UInt8, Sendable {
    /// As they are: they did not shrink, or were not to be compressed.
    case raw = 0
    /// One LZ4 block.
    case lz4 = 1
    /// Reserved for Zstandard; this version refuses it.
    case zstd = 2
}
