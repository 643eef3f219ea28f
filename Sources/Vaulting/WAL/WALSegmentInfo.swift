public import Domain

/// What the directory of a finished WAL object says about its content.
public struct WALSegmentInfo: Hashable, Sendable, Codable {
    /// Bytes of WAL in the object, from the segment's first byte on.
    public var length: UInt64
    /// CRC-32C of those bytes.
    public var crc32c: UInt32
    /// What they hold; nil when nobody has looked (bytes kept aside from a dead session).
    public var summary: WALSummary?

    /// What there is to say about finished content.
    public init(length: UInt64, crc32c: UInt32, summary: WALSummary?) {
        self.length = length
        self.crc32c = crc32c
        self.summary = summary
    }
}
