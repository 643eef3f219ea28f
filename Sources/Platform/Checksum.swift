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
    public static func combine(_ first: UInt32, _ second: UInt32, lengthOfSecond: UInt64) -> UInt32 {
        pgkeep_crc32c_combine(first, second, lengthOfSecond)
    }
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
