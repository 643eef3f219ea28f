public import Domain
import Sealing
public import Storage

/// Where and how a complete sealed object is laid out; shared by the threads that read it.
public final class SealedObject: Sendable {
    /// The name it was found under.
    public let location: ObjectName
    /// Its clear header.
    public let header: ObjectHeader
    /// Its length in bytes.
    public let size: UInt64
    /// Its frames and payload.
    public let directory: ObjectDirectory
    let key: ObjectKey

    init(
        location: ObjectName,
        header: ObjectHeader,
        size: UInt64,
        directory: ObjectDirectory,
        key: ObjectKey
    ) {
        self.location = location
        self.header = header
        self.size = size
        self.directory = directory
        self.key = key
    }
}

/// Reads the frames of one complete sealed object. One thread at a time; several readers may share
/// one `SealedObject`.
public final class SealedObjectReader {
    /// The object's layout.
    public let object: SealedObject
    private let source: any ByteSource
    private let opener: FrameOpener
    private var block = [UInt8]()

    /// Opens an object: reads and checks header, footer and directory.
    ///
    /// - Parameters:
    ///   - kinds: what may be found under this name.
    ///   - system: the instance whose keys seal it; nil for vault-wide objects.
    ///   - boundName: the name in the header when it is another one than `name`.
    ///
    /// Throws `.notFound` when it is absent, `.integrity` when anything is not as it was written,
    /// `.vaultVersion` when a newer version wrote it, `.wrongKey`/`.refused` when the keys are not
    /// held.
    public convenience init(
        _ vault: Vault,
        _ name: ObjectName,
        kinds: [ObjectKind],
        system: SystemIdentifier?,
        boundTo boundName: ObjectName? = nil
    ) throws {
        guard let information = try vault.store.head(name) else {
            throw PgkeepError(
                .notFound,
                "\(name) is not in the vault",
                hint: "run pgkeep vault check to see what else is missing"
            )
        }
        try self.init(
            vault,
            name,
            kinds: kinds,
            system: system,
            boundTo: boundName,
            source: StoreSource(store: vault.store, name: name, size: information.size)
        )
    }

    /// Opens an object whose bytes are at hand.
    public convenience init(
        _ vault: Vault,
        _ name: ObjectName,
        kinds: [ObjectKind],
        system: SystemIdentifier?,
        boundTo boundName: ObjectName? = nil,
        bytes: [UInt8]
    ) throws {
        try self.init(
            vault,
            name,
            kinds: kinds,
            system: system,
            boundTo: boundName,
            source: MemorySource(name: name, bytes: bytes)
        )
    }

    /// A further reader of an object that was opened before.
    public init(_ vault: Vault, sharing object: SealedObject) {
        self.object = object
        source = StoreSource(store: vault.store, name: object.location, size: object.size)
        opener = FrameOpener(key: object.key, header: object.header.bytes)
    }

    private init(
        _ vault: Vault,
        _ name: ObjectName,
        kinds: [ObjectKind],
        system: SystemIdentifier?,
        boundTo boundName: ObjectName?,
        source: any ByteSource
    ) throws {
        let size = source.size
        let smallest = VaultFormat.headerBytes + VaultFormat.frameOverhead + VaultFormat.footerBytes
        guard size >= UInt64(smallest) else {
            throw PgkeepError.damaged(name, "\(size) bytes are too few")
        }
        // Small objects come whole with one read, of large ones the end that holds the directory.
        let whole = size <= 256 << 10
        let tailStart = whole ? 0 : size - 64 << 10
        let tail = try source.read(tailStart..<size)
        let head = whole ? tail : try source.read(0..<UInt64(VaultFormat.headerBytes))
        let header = try head.withUnsafeBytes {
            try ObjectHeader($0, vault: vault.id, name: boundName ?? name)
        }
        try Self.check(header, kinds, name)
        let key = try vault.objectKey(header, system: system)
        let opener = FrameOpener(key: key, header: header.bytes)
        let directory = try Self.readDirectory(
            header,
            opener,
            source: whole ? MemorySource(name: name, bytes: tail) : source,
            tail: tail,
            name: name
        )
        self.source = whole ? MemorySource(name: name, bytes: tail) : source
        self.opener = opener
        object = SealedObject(
            location: name,
            header: header,
            size: size,
            directory: directory,
            key: key
        )
    }

    static func check(_ header: ObjectHeader, _ kinds: [ObjectKind], _ name: ObjectName) throws {
        guard kinds.contains(header.kind) else {
            throw PgkeepError.damaged(name, "it is a \(header.kind.noun)")
        }
        guard header.purpose == header.kind.purpose else {
            throw PgkeepError.damaged(name, "its key purpose does not fit a \(header.kind.noun)")
        }
    }

    private static func readDirectory(
        _ header: ObjectHeader,
        _ opener: FrameOpener,
        source: any ByteSource,
        tail: [UInt8],
        name: ObjectName
    ) throws -> ObjectDirectory {
        let footer = tail.withUnsafeBytes {
            ObjectFooter(
                UnsafeRawBufferPointer(rebasing: $0[($0.count - VaultFormat.footerBytes)...]),
                size: source.size
            )
        }
        guard let footer, footer.objectID == Array(header.objectID[..<8]) else {
            throw PgkeepError.damaged(name, "its end is missing or not its own")
        }
        let start = footer.directoryOffset
        let end = start + UInt64(footer.directoryBytes)
        let tailStart = source.size - UInt64(tail.count)
        let frame =
            start >= tailStart
            ? Array(tail[Int(start - tailStart)..<Int(end - tailStart)])
            : try source.read(start..<end)
        let (kind, payload) = try frame.withUnsafeBytes {
            try Sealed.open($0, number: footer.frames, with: opener, name)
        }
        guard kind == .directory else {
            throw PgkeepError.damaged(name, "its last frame is no directory")
        }
        let directory = try payload.withUnsafeBytes { try ObjectDirectory($0, name.text) }
        guard directory.end == start, directory.frames.count == Int(footer.frames) else {
            throw PgkeepError.damaged(name, "its directory does not fit its length")
        }
        return directory
    }

    /// The object's frames, by number.
    public var frames: [ObjectDirectory.Frame] { object.directory.frames }
    /// What the directory carries beside the frames.
    public var payload: [UInt8] { object.directory.payload }

    /// The content of one frame.
    public func read(_ number: Int) throws -> [UInt8] {
        let frame = try self.frame(number)
        var content = [UInt8](repeating: 0, count: Int(frame.rawBytes))
        _ = try content.withUnsafeMutableBytes { try read(number, into: $0) }
        return content
    }

    /// Reads one frame's content to the front of `output`; returns its length.
    public func read(_ number: Int, into output: UnsafeMutableRawBufferPointer) throws -> Int {
        let frame = try self.frame(number)
        let bytes = try source.read(frame.offset..<frame.offset + UInt64(frame.bytes))
        return try bytes.withUnsafeBytes { try open(number, $0, into: output) }
    }

    /// Opens the bytes of frame `number`, which the caller has read, to the front of `output`.
    public func open(
        _ number: Int,
        _ bytes: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer
    ) throws -> Int {
        let frame = try self.frame(number)
        do {
            let header = try opener.open(bytes, expectNumber: UInt32(number), into: output)
            guard header.kind == frame.kind.rawValue, header.codec == frame.codec,
                header.storedBytes == frame.storedBytes, header.rawBytes == frame.rawBytes
            else { throw PgkeepError.damaged(object.location, "frame \(number) is not as listed") }
            return Int(header.rawBytes)
        } catch let error as PgkeepError where error.code != .integrity {
            throw error
        } catch {
            throw PgkeepError.damaged(object.location, "frame \(number)", cause: error)
        }
    }

    private func frame(_ number: Int) throws -> ObjectDirectory.Frame {
        guard frames.indices.contains(number) else {
            throw PgkeepError.damaged(object.location, "it has no frame \(number)")
        }
        return frames[number]
    }
}
