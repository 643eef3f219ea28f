import Domain
import Storage

/// Bytes of an object that can be read in ranges: in the store, or at hand already.
protocol ByteSource {
    var size: UInt64 { get }
    func read(_ range: Range<UInt64>) throws -> [UInt8]
}

struct StoreSource: ByteSource {
    let store: any ObjectStore
    let name: ObjectName
    let size: UInt64

    func read(_ range: Range<UInt64>) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
            let memory = UnsafeMutableRawBufferPointer(
                start: buffer.baseAddress,
                count: range.count
            )
            try store.get(name, range: range, into: memory)
            count = range.count
        }
    }
}

struct MemorySource: ByteSource {
    let name: ObjectName
    let bytes: [UInt8]

    var size: UInt64 { UInt64(bytes.count) }

    func read(_ range: Range<UInt64>) throws -> [UInt8] {
        guard range.upperBound <= size else {
            throw PgkeepError.damaged(name, "it ends early")
        }
        return Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)])
    }
}
