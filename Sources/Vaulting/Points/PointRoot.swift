public import Domain

/// The root of a recovery point: what it is, which packs it needs, where its catalog is.
public struct PointRoot: Sendable {
    /// A pack and what the point needs of it.
    public struct Pack: Hashable, Sendable {
        /// The pack.
        public var info: PackInfo
        /// Pages of it that are needed.
        public var livePages: UInt32
        /// Bytes of its map, catalog and attachment frames that are needed.
        public var liveMetaBytes: UInt64

        /// A pack with what is needed of it.
        public init(info: PackInfo, livePages: UInt32, liveMetaBytes: UInt64) {
            self.info = info
            self.livePages = livePages
            self.liveMetaBytes = liveMetaBytes
        }
    }

    /// The recovery point.
    public var point: RecoveryPoint
    /// SHA-256 of the parent's root object, when there is a parent.
    public var parentRoot: [UInt8]?
    /// The packs, in the order their positions mean.
    public var packs: [Pack]
    /// Captured files.
    public var attachments: [Attachment]
    /// Entries of the catalog.
    public var entries: UInt64
    /// SHA-256 of this root's object; empty until it is one.
    public var digest: [UInt8] = []
    var catalog: [CatalogFrame]
}

/// The JSON of a root's first frame.
struct RootInfo: Codable {
    struct AttachmentInfo: Codable {
        var name: String
        var kind: Attachment.Kind
        var size: UInt64
        var mode: UInt32
        var crc32c: UInt32
        /// Five numbers a frame: pack position, frame number, offset, bytes, raw bytes.
        var frames: [UInt32]
    }

    var point: RecoveryPoint
    var parentRoot: String?
    var packs: Int
    var entries: UInt64
    var catalogFrames: Int
    var attachments: [AttachmentInfo]

    enum CodingKeys: String, CodingKey {
        case point, packs, entries, attachments
        case parentRoot = "parent_root"
        case catalogFrames = "catalog_frames"
    }
}
