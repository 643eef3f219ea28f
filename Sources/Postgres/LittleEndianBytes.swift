// Fixed-width fields of PostgreSQL's binary formats. Servers on big-endian machines are refused
// by `ControlFile`, so every field is little-endian. The bounds check stays in release builds:
// these bytes come from outside.
extension UnsafeRawBufferPointer {
    @inline(__always)
    func field<Value: FixedWidthInteger>(_ offset: Int, as type: Value.Type = Value.self) -> Value {
        precondition(offset >= 0 && offset <= count - MemoryLayout<Value>.size)
        return Value(littleEndian: loadUnaligned(fromByteOffset: offset, as: Value.self))
    }

    @inline(__always)
    func part(_ start: Int, _ end: Int) -> UnsafeRawBufferPointer {
        precondition(start >= 0 && start <= end && end <= count)
        return UnsafeRawBufferPointer(rebasing: self[start..<end])
    }
}
