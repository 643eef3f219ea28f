public import Domain

/// One file of a `backup_manifest`.
public struct ManifestFile: Hashable, Sendable {
    /// The path relative to the data directory, raw; tablespace files are below `pg_tblspc/<oid>`.
    public var path: [UInt8]
    /// The length in bytes.
    public var size: UInt64
    /// When it was changed last, in whole seconds; nil when the manifest does not say.
    public var modified: Timestamp?
    /// The algorithm as PostgreSQL names it, for example `CRC32C`; nil without checksum.
    public var checksumAlgorithm: String?
    /// The raw checksum, in the order the manifest prints it.
    public var checksum: [UInt8]

    /// A file with the checksum algorithm `crc32c`, or with none.
    public init(path: [UInt8], size: UInt64, modified: Timestamp?, crc32c: UInt32?) {
        self.path = path
        self.size = size
        self.modified = modified
        checksumAlgorithm = crc32c == nil ? nil : "CRC32C"
        checksum = crc32c.map { value in (0..<4).map { UInt8(value >> ($0 * 8) & 0xff) } } ?? []
    }

    init() { self.init(path: [], size: 0, modified: nil, crc32c: nil) }

    /// The checksum when it is a CRC-32C, which PostgreSQL prints lowest byte first.
    public var crc32c: UInt32? {
        guard checksumAlgorithm == "CRC32C", checksum.count == 4 else { return nil }
        return checksum.reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
}
