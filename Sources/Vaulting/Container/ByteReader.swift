public import Domain

/// Reads what `ByteWriter` wrote out of untrusted memory; anything wrong is an integrity error.
///
/// Not escaping: it borrows the memory it was given and is used inside its `with…` scope.
public struct ByteReader {
    private let memory: UnsafeRawBufferPointer
    /// Bytes read so far.
    public private(set) var position = 0
    /// What is being read, for the message.
    private let subject: String

    /// Reads `memory`, which must stay valid; `subject` names it in errors.
    public init(_ memory: UnsafeRawBufferPointer, _ subject: String) {
        self.memory = memory
        self.subject = subject
    }

    /// Bytes left.
    public var remaining: Int { memory.count - position }

    /// The error for content that contradicts itself.
    public func malformed(_ what: String) -> PgkeepError {
        PgkeepError(.integrity, "\(subject) is malformed at byte \(position): \(what)")
    }

    /// The next byte.
    public mutating func byte() throws(PgkeepError) -> UInt8 {
        guard position < memory.count else { throw malformed("it ends early") }
        defer { position += 1 }
        return memory[position]
    }

    /// The next 2, 4 or 8 bytes as a number, least significant first.
    public mutating func number<Number: FixedWidthInteger & UnsignedInteger>(
        _ type: Number.Type
    ) throws(PgkeepError) -> Number {
        let width = MemoryLayout<Number>.size
        guard remaining >= width else { throw malformed("it ends early") }
        defer { position += width }
        return Number(littleEndian: memory.loadUnaligned(fromByteOffset: position, as: type))
    }

    /// The next `count` bytes, borrowed from the memory.
    public mutating func slice(_ count: Int) throws(PgkeepError) -> UnsafeRawBufferPointer {
        guard count >= 0, remaining >= count else { throw malformed("it ends early") }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: memory[position..<position + count])
    }

    /// The next `count` bytes, copied.
    public mutating func bytes(_ count: Int) throws(PgkeepError) -> [UInt8] {
        Array(try slice(count))
    }

    /// The next unsigned LEB128 number, in its shortest form.
    public mutating func varint() throws(PgkeepError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let next = try byte()
            let bits = UInt64(next & 0x7f)
            guard shift < 63 || (shift == 63 && bits <= 1) else {
                throw malformed("a number is too large")
            }
            value |= bits << shift
            if next < 0x80 {
                guard next != 0 || shift == 0 else { throw malformed("a number is padded") }
                return value
            }
            shift += 7
        }
    }

    /// The next varint, which must not exceed `limit`.
    public mutating func varint(max limit: UInt64) throws(PgkeepError) -> Int {
        let value = try varint()
        guard value <= limit else { throw malformed("\(value) exceeds \(limit)") }
        return Int(value)
    }

    /// The next signed number.
    public mutating func zigzag() throws(PgkeepError) -> Int64 {
        let value = try varint()
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }

    /// Nothing may be left.
    public func finish() throws(PgkeepError) {
        guard remaining == 0 else { throw malformed("\(remaining) bytes too many") }
    }
}
