/// One member of a tar archive: everything its header says.
public struct TarEntry: Hashable, Sendable {
    /// What a member is; PostgreSQL sends nothing else.
    public enum Kind: Hashable, Sendable {
        /// An ordinary file of `size` bytes.
        case file
        /// A directory.
        case directory
        /// A symbolic link to `linkTarget`.
        case symbolicLink
    }

    /// The name as the server's file system has it, in whatever encoding: relative, without a
    /// leading `./` or trailing `/`, never empty, without empty, `.` or `..` components and NUL.
    public var pathBytes: [UInt8]
    /// File, directory or link.
    public var kind: Kind
    /// Bytes of content that follow; 0 for directories and links.
    public var size: UInt64
    /// Permission bits, without the type.
    public var mode: UInt32
    /// Seconds since the Unix epoch.
    public var modified: Int64
    /// Where a link points, raw; empty otherwise.
    public var linkTarget: [UInt8]

    /// A member with the given header.
    public init(
        pathBytes: [UInt8],
        kind: Kind,
        size: UInt64 = 0,
        mode: UInt32,
        modified: Int64 = 0,
        linkTarget: [UInt8] = []
    ) {
        self.pathBytes = pathBytes
        self.kind = kind
        self.size = size
        self.mode = mode
        self.modified = modified
        self.linkTarget = linkTarget
    }

    /// The name as text; nil when it is not valid UTF-8, and then only `pathBytes` will do.
    public var path: String? { String(validating: pathBytes, as: UTF8.self) }

    /// The name for messages: invalid sequences are shown as U+FFFD.
    public var displayPath: String { String(decoding: pathBytes, as: UTF8.self) }
}
