import Domain
import Platform

/// Captured bytes that belong to a point but not to its data directory.
public struct Attachment: Hashable, Sendable {
    /// What the bytes are.
    public enum Kind: String, Hashable, Sendable, Codable {
        /// The server's `backup_manifest`, verbatim.
        case serverManifest = "server-manifest"
        /// A configuration file kept outside the data directory; its name is its path.
        case configuration
        /// Anything else.
        case other
    }

    /// The path or name.
    public var name: String
    /// What it is.
    public var kind: Kind
    /// Permission bits; 0 when there are none.
    public var mode: UInt32
    /// Bytes.
    public var size: UInt64
    /// CRC-32C of the bytes.
    public var crc32c: UInt32
    /// Where the bytes are, in order.
    public var frames: [FrameRef]

    package init(
        name: String,
        kind: Kind,
        mode: UInt32 = 0,
        size: UInt64 = 0,
        crc32c: UInt32 = 0,
        frames: [FrameRef] = []
    ) {
        self.name = name
        self.kind = kind
        self.mode = mode
        self.size = size
        self.crc32c = crc32c
        self.frames = frames
    }
}

/// Writes an attachment in pieces, on the thread that owns the pack writer.
public final class AttachmentWriter {
    private var attachment: Attachment
    private let writer: PackWriter
    private var pending: [UInt8] = []

    private static let frameBytes = 512 << 10

    /// Begins an attachment whose bytes go through `writer`.
    public init(
        name: String,
        kind: Attachment.Kind,
        mode: UInt32 = 0,
        with writer: PackWriter
    ) {
        attachment = Attachment(
            name: name,
            kind: kind,
            mode: mode,
            size: 0,
            crc32c: 0,
            frames: []
        )
        self.writer = writer
    }

    /// Adds bytes, which are copied.
    public func append(_ bytes: UnsafeRawBufferPointer) throws {
        attachment.size += UInt64(bytes.count)
        attachment.crc32c = CRC32C.of(bytes, from: attachment.crc32c)
        var rest = bytes
        while !rest.isEmpty {
            let taken = min(rest.count, Self.frameBytes - pending.count)
            pending.append(contentsOf: rest[..<taken])
            rest = UnsafeRawBufferPointer(rebasing: rest[taken...])
            if pending.count == Self.frameBytes { try flush() }
        }
    }

    /// Adds an array's bytes.
    public func append(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { try append($0) }
    }

    /// The complete attachment, to be handed to `BackupSession.commit`.
    public func finish() throws -> Attachment {
        if !pending.isEmpty { try flush() }
        return attachment
    }

    private func flush() throws {
        attachment.frames.append(try writer.append(.attachment, pending))
        pending.removeAll(keepingCapacity: true)
    }
}
