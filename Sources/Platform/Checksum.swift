internal import CPlatform

/// CRC-32C (Castagnoli), the checksum of PostgreSQL's WAL, control file and backup manifests.
public enum CRC32C {
    /// The CRC of `bytes`, continuing from `crc` (0 to begin). Values are the finished ones.
    @inline(__always)
    public static func of(_ bytes: UnsafeRawBufferPointer, from crc: UInt32 = 0) -> UInt32 {
        guard let base = bytes.baseAddress else { return crc }
        return pgkeep_crc32c(crc, base, bytes.count)
    }

    /// The CRC of a followed by b, from the CRC of each and the length of b in bytes.
    public static func combine(_ first: UInt32, _ second: UInt32, lengthOfSecond: UInt64) -> UInt32
    {
        pgkeep_crc32c_combine(first, second, lengthOfSecond)
    }
}

/// Joins the CRC-32Cs of many blocks of one length in their order: about 50 ns a block, whatever
/// the block's length, so pages can be summed in parallel and their file's CRC made afterwards.
public struct CRC32CJoiner: Sendable {
    private let factor: UInt32

    /// For blocks of `blockLength` bytes.
    public init(blockLength: Int) { factor = pgkeep_crc32c_factor(UInt64(blockLength)) }

    /// The CRC of what `crc` covers followed by one block whose CRC is `block`.
    @inline(__always)
    public func append(_ block: UInt32, to crc: UInt32) -> UInt32 {
        pgkeep_crc32c_join(crc, block, factor)
    }
}

/// PostgreSQL's checksum of an 8192-byte page, `block` being its number within the relation's fork.
public func pageChecksum(_ page: UnsafeRawBufferPointer, block: UInt32) -> UInt16 {
    precondition(page.count == 8192)
    guard let base = page.baseAddress else { return 0 }
    return pgkeep_page_checksum(base, block)
}

/// True when all bytes are zero.
@inline(__always)
public func isZero(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let base = bytes.baseAddress else { return true }
    return pgkeep_is_zero(base, bytes.count)
}

/// Overwrites memory in a way the compiler may not remove: for secrets.
public func wipe(_ bytes: UnsafeMutableRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    pgkeep_wipe(base, bytes.count)
}
