public import Domain

/// Which pack: the session that wrote it and its number in that session.
public struct PackID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The session, which is the recovery point the pack was made for.
    public var session: PointID
    /// The number in that session.
    public var number: UInt32

    /// The pack `number` of `session`.
    public init(session: PointID, number: UInt32) {
        self.session = session
        self.number = number
    }

    /// For messages: session and number.
    public var description: String { "\(session)/\(VaultNames.hex8(number))" }

    /// Orders by session, then number.
    public static func < (left: PackID, right: PackID) -> Bool {
        (left.session, left.number) < (right.session, right.number)
    }
}

/// Where a page lies: known the moment it is handed to a `PackWriter`.
public struct PageLocation: Hashable, Sendable {
    /// The number of the pack in the session that writes.
    public var pack: UInt32
    /// The page's number in that pack.
    public var page: UInt32

    /// A place in a pack of the own session.
    public init(pack: UInt32, page: UInt32) {
        self.pack = pack
        self.page = page
    }
}

/// Where a frame lies, exactly enough to read it with one ranged read.
public struct FrameRef: Hashable, Sendable {
    /// The pack.
    public var pack: PackID
    /// The frame's number in it.
    public var frame: UInt32
    /// The offset of the frame's header in the pack.
    public var offset: UInt32
    /// Bytes of the frame with header and tag.
    public var bytes: UInt32
    /// Bytes of the content.
    public var rawBytes: UInt32

    /// A frame's place.
    public init(pack: PackID, frame: UInt32, offset: UInt32, bytes: UInt32, rawBytes: UInt32) {
        self.pack = pack
        self.frame = frame
        self.offset = offset
        self.bytes = bytes
        self.rawBytes = rawBytes
    }
}

/// A finished pack, as a root's table names it.
public struct PackInfo: Hashable, Sendable {
    /// Which one.
    public var id: PackID
    /// Bytes of the object.
    public var size: UInt64
    /// Where its directory begins.
    public var directoryOffset: UInt64
    /// Pages in it.
    public var pages: UInt32
    /// Bytes of its frames that hold no pages.
    public var metaBytes: UInt64
    /// First 16 bytes of the SHA-256 of the whole object.
    public var digest: [UInt8]

    /// The facts about a pack.
    public init(
        id: PackID,
        size: UInt64,
        directoryOffset: UInt64,
        pages: UInt32,
        metaBytes: UInt64,
        digest: [UInt8]
    ) {
        precondition(digest.count == 16)
        self.id = id
        self.size = size
        self.directoryOffset = directoryOffset
        self.pages = pages
        self.metaBytes = metaBytes
        self.digest = digest
    }
}
