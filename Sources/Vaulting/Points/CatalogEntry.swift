import Domain

/// One file, directory or link of a recovery point.
public struct CatalogEntry: Equatable, Sendable {
    /// What it is.
    public enum Kind: Equatable, Sendable {
        /// A file: its size in bytes, the CRC-32C of its content when known, and its pages.
        case file(size: UInt64, crc32c: UInt32?, content: FileContent)
        /// A directory.
        case directory
        /// A symbolic link and its target's bytes.
        case link(target: [UInt8])
    }

    /// The path's bytes, relative to the data directory, without leading slash; files of
    /// tablespaces lie under `pg_tblspc/<oid>/`.
    public var path: [UInt8]
    /// Permission bits.
    public var mode: UInt32
    /// Modification time in whole seconds since 1970.
    public var modifiedSeconds: Int64
    /// What it is.
    public var kind: Kind

    /// An entry.
    public init(path: [UInt8], mode: UInt32, modifiedSeconds: Int64, kind: Kind) {
        self.path = path
        self.mode = mode
        self.modifiedSeconds = modifiedSeconds
        self.kind = kind
    }

    /// The path for messages; bytes that are no UTF-8 are replaced.
    public var pathText: String { String(decoding: path, as: UTF8.self) }
}

/// Where the pages of a file are.
public enum FileContent: Equatable, Sendable {
    /// A file of at most 64 pages: the map itself. An empty file has an empty one.
    case inline(RegionMap)
    /// A longer file: one reference for each GiB.
    case regions([RegionRef])

    /// The content of an empty file.
    public static let empty = FileContent.inline(
        RegionMap(packs: [], locations: [], fingerprints: [])
    )

    /// The content of a file whose regions' builders are complete, in order; longer files' maps are
    /// written with `writer`. No builders: an empty file.
    public static func of(
        _ builders: [RegionMapBuilder],
        with writer: PackWriter
    ) throws -> FileContent {
        guard let first = builders.first else { return .empty }
        if builders.count == 1, first.pages <= VaultFormat.inlinePages {
            return .inline(first.finish())
        }
        precondition(
            builders.dropLast().allSatisfy { $0.pages == VaultFormat.regionPages },
            "only the last region may be short"
        )
        return .regions(try builders.map { try writer.append(map: $0.finish()) })
    }

    /// Pages of a file of `size` bytes.
    public static func pages(ofSize size: UInt64) -> Int {
        Int((size + UInt64(VaultFormat.pageBytes) - 1) / UInt64(VaultFormat.pageBytes))
    }

    /// Regions of a file of `pages` pages.
    public static func regions(ofPages pages: Int) -> Int {
        (pages + VaultFormat.regionPages - 1) / VaultFormat.regionPages
    }
}
