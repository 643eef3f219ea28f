/// The numbers of the vault format, version 1, as `VaultFormat.md` gives them.
public enum VaultFormat {
    /// The version this code writes and the highest it reads.
    public static let version: UInt16 = 1
    /// Bytes of an object's clear header.
    public static let headerBytes = 64
    /// Bytes of an object's footer.
    public static let footerBytes = 32
    /// Bytes a frame has besides its ciphertext: 16 of header, 16 of tag.
    public static let frameOverhead = 32
    /// Bytes of a page, whatever the server's block size.
    public static let pageBytes = 8192
    /// Pages of a full page frame.
    public static let framePages = 16
    /// Raw bytes of a full page frame.
    public static let pageFrameBytes = pageBytes * framePages
    /// Pages of a full region: 1 GiB.
    public static let regionPages = 131_072
    /// Pages up to which a file's map lies in its catalog entry.
    public static let inlinePages = 64
    /// Raw bytes a frame may have at most.
    public static let frameRawBytesMax = 4 << 20
    /// Frames an object may have at most.
    public static let framesMax = 1 << 16
    /// Bytes of a pack at which the next one is begun; fewer where the instance is small.
    public static let packBytes: UInt64 = 64 << 20
    /// Bytes of a pack at which the next one is begun, at least.
    static let packBytesMin: UInt64 = 4 << 20
    /// Packs a full backup of a small instance is cut into, or the few packs would take months to
    /// empty, and hold their space until then.
    static let packsWanted: UInt64 = 32
    /// Raw bytes of a catalog frame after which the next one is begun.
    public static let catalogFrameBytes = 256 << 10
    /// Raw bytes a table's frame (pack table, catalog index) stays below.
    public static let tableFrameBytes = 1 << 20
    /// Bytes of a path or link target.
    public static let pathBytesMax = 4096

    static let magic: [UInt8] = [0x70, 0x67, 0x6b, 0x65, 0x65, 0x70, 0x00, 0x01]
    static let footerMagic: [UInt8] = Array("PGKEEPF1".utf8)
}

/// What an object is; byte 10 of its header.
public enum ObjectKind: UInt8, Sendable, CaseIterable {
    /// Pages, maps, catalog and attachments.
    case pack = 1
    /// The root of a recovery point.
    case root = 2
    /// In a root's place: the session was aborted or fenced.
    case tombstone = 3
    /// A condemned point's marker.
    case gone = 4
    /// A session's heartbeat.
    case lease = 5
    /// WAL: a segment, a part, a journal.
    case wal = 6
    /// A timeline history file.
    case history = 7
    /// A control record.
    case record = 8
    /// An exclusive role.
    case claim = 9
    /// A draft of a root.
    case draft = 10
    /// The digest of a key slot.
    case slotSeal = 11
    /// A job, queued, running or ended.
    case job = 12
    /// An entry of the activity log.
    case activity = 13

    /// The word for messages.
    public var noun: String {
        switch self {
        case .pack: "pack"
        case .root: "point root"
        case .tombstone: "tombstone"
        case .gone: "gone marker"
        case .lease: "lease"
        case .wal: "WAL object"
        case .history: "history file"
        case .record: "record"
        case .claim: "claim"
        case .draft: "draft"
        case .slotSeal: "key slot's digest"
        case .job: "job"
        case .activity: "activity entry"
        }
    }
}

/// What a frame holds; byte 8 of its header.
public enum FrameKind: UInt8, Sendable {
    /// Pages of 8192 bytes.
    case pages = 1
    /// The location column of a region map.
    case mapLocations = 2
    /// The fingerprint column of a region map.
    case mapFingerprints = 3
    /// A cumulative change of a region map.
    case mapDelta = 4
    /// Catalog entries.
    case catalog = 5
    /// A slice of captured bytes.
    case attachment = 6
    /// JSON.
    case info = 7
    /// Entries of a root's pack table.
    case packTable = 8
    /// Where the catalog's frames are.
    case catalogIndex = 9
    /// Write-ahead log.
    case wal = 10
    /// A copy of a root's frame, for salvage.
    case rootCopy = 11
    /// What a WAL object is of and who wrote it: its first frame.
    case walHead = 12
    /// The directory of the object.
    case directory = 255
}
