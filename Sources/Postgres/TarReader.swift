public import Domain
import Platform

/// Reads a tar archive pushed in slices of any length; the bodies are passed through uncopied.
///
/// Source of the format: protocol of BASE_BACKUP, PostgreSQL 13–18 (src/port/tar.c). The trailer
/// of two zero blocks is optional, since servers up to 14 do not send it. After a throw the reader
/// must not be used again.
public struct TarReader: Sendable {
    /// What the archive says next.
    public enum Event {
        /// A member begins. Files of size 0, directories and links end at once.
        case entry(TarEntry)
        /// Content of the member that began last; valid during the call only.
        case data(UnsafeRawBufferPointer)
        /// The member is complete.
        case endEntry
    }

    private enum State {
        case header
        case body(remaining: UInt64)
        case padding
        case trailer
    }

    private var state = State.header
    /// Bytes of the archive consumed so far.
    public private(set) var position: UInt64 = 0
    private var partial: [UInt8] = []

    /// A reader at the beginning of an archive.
    public init() { partial.reserveCapacity(TarHeader.size) }

    /// Takes the next bytes and reports what they hold.
    ///
    /// Throws `source.broken` for anything but the dialect PostgreSQL writes: bad checksums,
    /// unknown member types, absolute names or names with `..`.
    public mutating func feed(
        _ bytes: UnsafeRawBufferPointer,
        _ handle: (Event) throws -> Void
    ) throws {
        var rest = bytes
        while !rest.isEmpty {
            let used: Int
            switch state {
            case .header:
                used = try takeHeader(rest, handle)
            case .body(let remaining):
                used = Int(min(remaining, UInt64(rest.count)))
                try handle(.data(rest.part(0, used)))
                state = .body(remaining: remaining - UInt64(used))
                if remaining == UInt64(used) { try endBody(after: UInt64(used), handle) }
            case .padding:
                let missing = TarHeader.size - Int(position % UInt64(TarHeader.size))
                used = min(missing, rest.count)
                if used == missing { state = .header }
            case .trailer:
                guard isZero(rest) else {
                    throw TarHeader.broken("bytes follow the end of the archive")
                }
                used = rest.count
            }
            position += UInt64(used)
            rest = rest.part(used, rest.count)
        }
    }

    /// Checks that the archive ended at a member's end; throws `source.broken` otherwise.
    public func finish() throws(PgkeepError) {
        switch state {
        case .header where partial.isEmpty, .trailer: return
        default: throw TarHeader.broken("it ends in the middle of a member")
        }
    }

    private mutating func takeHeader(
        _ bytes: UnsafeRawBufferPointer,
        _ handle: (Event) throws -> Void
    ) throws -> Int {
        if partial.isEmpty, bytes.count >= TarHeader.size {
            try begin(bytes.part(0, TarHeader.size), handle)
            return TarHeader.size
        }
        let used = min(TarHeader.size - partial.count, bytes.count)
        partial.append(contentsOf: bytes.part(0, used))
        if partial.count == TarHeader.size {
            let block = partial
            partial.removeAll(keepingCapacity: true)
            try block.withUnsafeBytes { try begin($0, handle) }
        }
        return used
    }

    private mutating func begin(
        _ block: UnsafeRawBufferPointer,
        _ handle: (Event) throws -> Void
    ) throws {
        guard !isZero(block) else {
            state = .trailer
            return
        }
        let entry = try TarHeader(block).entry()
        try handle(.entry(entry))
        if entry.size == 0 {
            try handle(.endEntry)
        } else {
            state = .body(remaining: entry.size)
        }
    }

    private mutating func endBody(
        after used: UInt64,
        _ handle: (Event) throws -> Void
    ) throws {
        state = (position + used) % UInt64(TarHeader.size) == 0 ? .header : .padding
        try handle(.endEntry)
    }
}
