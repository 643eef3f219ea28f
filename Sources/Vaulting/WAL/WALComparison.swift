import Domain
private import Glibc

/// Compares the contents of two WAL objects without holding either in memory.
enum WALComparison {
    /// The offset of the first byte in which they differ, as far as both go; nil if there is none.
    static func firstDifference(
        _ first: WALObjectReader,
        _ second: WALObjectReader
    ) throws -> UInt64? {
        var left = UnsafeRawBufferPointer(start: nil, count: 0)
        var right = UnsafeRawBufferPointer(start: nil, count: 0)
        var offset: UInt64 = 0
        while true {
            if left.isEmpty {
                guard let next = try first.next() else { break }
                left = next
            }
            if right.isEmpty {
                guard let next = try second.next() else { break }
                right = next
            }
            let count = min(left.count, right.count)
            if let (a, b) = pair(left.baseAddress, right.baseAddress), memcmp(a, b, count) != 0 {
                return offset + UInt64(zip(left, right).prefix { $0 == $1 }.count)
            }
            offset += UInt64(count)
            left = UnsafeRawBufferPointer(rebasing: left[count...])
            right = UnsafeRawBufferPointer(rebasing: right[count...])
        }
        return nil
    }

    private static func pair<Value>(_ first: Value?, _ second: Value?) -> (Value, Value)? {
        guard let first, let second else { return nil }
        return (first, second)
    }
}
