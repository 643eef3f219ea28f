public import Domain
public import Sealing
public import Storage

/// Writes one sealed object: header, frames as they come, directory, footer.
///
/// Frames are sealed straight into an output buffer that goes to the store when it is full, so the
/// store sees few large writes. One thread at a time. A writer dropped before `publish` leaves
/// nothing (hidden objects) or an object without end (visible ones).
public final class SealedObjectWriter {
    /// What `seal` found out about the whole object.
    public struct Summary: Sendable {
        /// Bytes of the object.
        public let size: UInt64
        /// Where the directory frame begins.
        public let directoryOffset: UInt64
        /// First 16 bytes of SHA-256 of all bytes; empty unless a digest was asked for.
        public let digest: [UInt8]
    }

    /// The name the object is bound to.
    public let name: ObjectName
    /// Its clear header.
    public let header: ObjectHeader
    private let writer: any ObjectWriter
    private let sealer: FrameSealer
    private var digest: Digest?
    private var output: UnsafeMutableRawBufferPointer
    private var filled = 0
    private var directory = ObjectDirectory()
    private var sealedEnd: UInt64?

    private final class Digest {
        var sha = SHA256()
        func update(_ bytes: UnsafeRawBufferPointer) { sha.update(bytes) }
        func finish() -> [UInt8] { sha.finish() }
    }

    /// Begins an object of `kind` that will be found under `name`.
    ///
    /// - Parameters:
    ///   - system: the instance whose keys seal it; nil for vault-wide objects.
    ///   - writer: where the bytes go; the caller decides about visibility and keeps no other use.
    ///   - bufferBytes: bytes gathered before they go to `writer`.
    ///   - isDigested: whether `seal` shall return the digest.
    public init(
        _ vault: Vault,
        name: ObjectName,
        kind: ObjectKind,
        system: SystemIdentifier?,
        into writer: any ObjectWriter,
        bufferBytes: Int = 64 << 10,
        isDigested: Bool = false
    ) throws(PgkeepError) {
        self.name = name
        header = ObjectHeader(
            kind: kind,
            purpose: kind.purpose,
            epoch: vault.keys.currentEpoch,
            vault: vault.id,
            name: name
        )
        self.writer = writer
        sealer = FrameSealer(key: try vault.objectKey(header, system: system), header: header.bytes)
        digest = isDigested ? Digest() : nil
        output = .allocate(byteCount: max(bufferBytes, 4096), alignment: 4096)
        header.bytes.withUnsafeBytes { output.copyMemory(from: $0) }
        filled = VaultFormat.headerBytes
    }

    deinit { output.deallocate() }

    /// Bytes of the object so far, buffered ones included.
    public var length: UInt64 { writer.length + UInt64(filled) }
    /// Frames so far: the number of the next one.
    public var frames: UInt32 { UInt32(directory.frames.count) }
    /// Where and how long each frame is.
    public var layout: [ObjectDirectory.Frame] { directory.frames }

    /// Seals one frame; returns its place. At most `VaultFormat.frameRawBytesMax` bytes, only read.
    @discardableResult
    public func append(
        _ kind: FrameKind,
        _ raw: UnsafeRawBufferPointer,
        compress: Bool = true
    ) throws -> ObjectDirectory.Frame {
        precondition(sealedEnd == nil, "append after seal")
        precondition(directory.frames.count < VaultFormat.framesMax, "too many frames")
        let frame = try sealed(kind, raw, compress: compress)
        directory.append(
            kind: kind,
            codec: frame.codec,
            storedBytes: frame.storedBytes,
            rawBytes: frame.rawBytes
        )
        guard let last = directory.frames.last else { preconditionFailure("just appended") }
        return last
    }

    /// Seals one frame of an array's bytes; returns its place.
    @discardableResult
    public func append(
        _ kind: FrameKind,
        _ raw: [UInt8],
        compress: Bool = true
    ) throws -> ObjectDirectory.Frame {
        try raw.withUnsafeBytes { try append(kind, $0, compress: compress) }
    }

    private func sealed(
        _ kind: FrameKind,
        _ raw: UnsafeRawBufferPointer,
        compress: Bool
    ) throws -> FrameHeader {
        try makeRoom(FrameSealer.bound(rawBytes: raw.count))
        let place = UnsafeMutableRawBufferPointer(rebasing: output[filled...])
        let length = try sealer.seal(
            raw,
            kind: kind.rawValue,
            number: frames,
            compress: compress,
            into: place
        )
        guard let header = FrameHeader(UnsafeRawBufferPointer(place)), header.frameBytes == length
        else { preconditionFailure("a frame just sealed does not parse") }
        filled += length
        return header
    }

    private func makeRoom(_ bytes: Int) throws {
        guard output.count - filled < bytes else { return }
        try flush()
        guard output.count < bytes else { return }
        output.deallocate()
        output = .allocate(byteCount: bytes, alignment: 4096)
    }

    /// Hands all bytes to the store; not yet durable.
    public func flush() throws {
        guard filled > 0 else { return }
        let bytes = UnsafeRawBufferPointer(rebasing: output[..<filled])
        digest?.update(bytes)
        try writer.append(bytes)
        filled = 0
    }

    /// Makes all frames so far durable (under a visible object's name too).
    public func sync() throws {
        try flush()
        try writer.sync()
    }

    /// Writes directory and footer: the object is complete, but neither durable nor named yet.
    public func seal(payload: [UInt8] = []) throws -> Summary {
        precondition(sealedEnd == nil, "sealed twice")
        let start = length
        directory.payload = payload
        let frame = try directory.encode().withUnsafeBytes {
            try sealed(.directory, $0, compress: true)
        }
        let footer = ObjectFooter(
            directoryOffset: start,
            directoryBytes: UInt32(frame.frameBytes),
            frames: frames,
            objectID: header.objectID
        )
        try makeRoom(VaultFormat.footerBytes)
        footer.bytes.withUnsafeBytes {
            UnsafeMutableRawBufferPointer(rebasing: output[filled...]).copyMemory(from: $0)
        }
        filled += VaultFormat.footerBytes
        try flush()
        sealedEnd = length
        return Summary(
            size: length,
            directoryOffset: start,
            digest: digest.map { Array($0.finish()[..<16]) } ?? []
        )
    }

    /// Makes the sealed object durable under its name, unless that is taken: then false.
    public func publish() throws -> Bool {
        precondition(sealedEnd != nil, "publish before seal")
        return try writer.publish(as: name)
    }

    /// Removes what was written.
    public func discard() throws { try writer.discard() }
}

extension ObjectKind {
    /// The purpose of the keys that seal objects of this kind.
    public var purpose: KeyPurpose {
        switch self {
        case .pack: .data
        case .wal, .history: .wal
        case .root, .tombstone, .gone, .lease, .record, .claim, .draft, .slotSeal, .job, .activity:
            .control
        }
    }
}
