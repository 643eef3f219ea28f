/// The cost parameters of scrypt, within limits that no honest vault leaves.
public struct ScryptCost: Hashable, Sendable {
    /// The number of blocks: a power of two.
    public let n: UInt32
    /// The block size in units of 128 bytes.
    public let r: UInt32
    /// The number of passes.
    public let p: UInt32

    /// What new slots use: 32 MiB of memory and about a tenth of a second.
    public static let standard = ScryptCost(unchecked: 1 << 15, 8, 1)

    /// The most memory one derivation may take.
    public static let memoryBytesMax: UInt64 = 1 << 30

    /// Nil unless `n` is a power of two from 2^10 to 2^22, `r` is 1 to 32, `p` is 1 to 16, and the
    /// memory needed stays within `memoryBytesMax`: a forged slot must not exhaust the machine.
    public init?(n: UInt32, r: UInt32, p: UInt32) {
        guard n & (n &- 1) == 0, (1 << 10...1 << 22).contains(n), (1...32).contains(r),
            (1...16).contains(p), 128 * UInt64(n) * UInt64(r) <= Self.memoryBytesMax
        else { return nil }
        self.init(unchecked: n, r, p)
    }

    /// Any values, for the vectors of RFC 7914.
    package init(unchecked n: UInt32, _ r: UInt32, _ p: UInt32) {
        self.n = n
        self.r = r
        self.p = p
    }

    var memoryBytes: UInt64 { 128 * UInt64(r) * (UInt64(n) + UInt64(p)) }
}
