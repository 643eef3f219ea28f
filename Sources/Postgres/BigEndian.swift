/// Numbers of the wire protocol, which are all big-endian.
///
/// Callers have checked the length.
enum BigEndian {
    @inline(__always)
    static func uint64(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
        precondition(offset >= 0 && bytes.count - offset >= 8)
        return UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    static func append(_ value: UInt64, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }
}
