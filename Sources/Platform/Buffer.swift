/// Owned, page-aligned memory of fixed capacity, moved but never copied.
///
/// `count` says how many bytes from the front are valid; the owner sets it.
public struct Buffer: ~Copyable, @unchecked Sendable {
    /// The memory, `capacity` bytes; valid as long as this value lives.
    public let memory: UnsafeMutableRawBufferPointer
    /// Valid bytes from the front.
    public var count: Int {
        willSet { precondition(newValue >= 0 && newValue <= memory.count) }
    }

    /// Allocates `capacity` bytes, aligned to 4 KiB, content undefined.
    public init(capacity: Int) {
        precondition(capacity > 0)
        memory = .allocate(byteCount: capacity, alignment: 4096)
        count = 0
    }

    deinit { memory.deallocate() }

    /// The size of the memory in bytes.
    public var capacity: Int { memory.count }

    /// Bytes that still fit behind the valid ones.
    public var room: Int { memory.count - count }

    /// The valid bytes.
    public var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: memory[..<count])
    }

    /// Copies as much of `source` as fits behind the valid bytes; returns how much that was.
    public mutating func append(_ source: UnsafeRawBufferPointer) -> Int {
        let length = min(room, source.count)
        guard length > 0 else { return 0 }
        UnsafeMutableRawBufferPointer(rebasing: memory[count..<count + length])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[..<length]))
        count += length
        return length
    }
}
