public import Domain
import Sealing
public import Storage

/// Reads an object forward, frame by frame, without needing its end: growing journals, torn copies.
///
/// Stops at the first frame that is not whole. A directory frame and what follows ends it too.
public final class SalvageReader {
    /// The object's clear header.
    public let header: ObjectHeader
    /// Where the next frame would begin: everything before it has been opened.
    public private(set) var position = UInt64(VaultFormat.headerBytes)
    /// The number of the next frame.
    public private(set) var number: UInt32 = 0
    /// True once the directory was reached: the object is complete up to there.
    public private(set) var reachedDirectory = false

    private let name: ObjectName
    private let store: any ObjectStore
    private let opener: FrameOpener

    /// Opens `name` by its header alone. Parameters and errors as for `SealedObjectReader`; an
    /// object too short to have a header is `.integrity`.
    public init(
        _ vault: Vault,
        _ name: ObjectName,
        kinds: [ObjectKind],
        system: SystemIdentifier?,
        boundTo boundName: ObjectName? = nil
    ) throws {
        self.name = name
        store = vault.store
        var bytes = [UInt8](repeating: 0, count: VaultFormat.headerBytes)
        try bytes.withUnsafeMutableBytes {
            try vault.store.get(name, range: 0..<UInt64($0.count), into: $0)
        }
        header = try bytes.withUnsafeBytes {
            try ObjectHeader($0, vault: vault.id, name: boundName ?? name)
        }
        try SealedObjectReader.check(header, kinds, name)
        opener = FrameOpener(
            key: try vault.objectKey(header, system: system),
            header: header.bytes
        )
    }

    /// The next whole frame, or nil when there is none (yet: call again after a journal has grown).
    public func next() throws -> (kind: FrameKind, bytes: [UInt8])? {
        guard !reachedDirectory, let information = try store.head(name) else { return nil }
        let frameHeaderBytes = UInt64(Frame.headerBytes)
        guard information.size >= position + frameHeaderBytes else { return nil }
        var bytes = [UInt8](repeating: 0, count: Frame.headerBytes)
        try fill(&bytes)
        guard let clear = bytes.withUnsafeBytes({ FrameHeader($0) }),
            information.size >= position + UInt64(clear.frameBytes)
        else { return nil }
        bytes = [UInt8](repeating: 0, count: clear.frameBytes)
        try fill(&bytes)
        let (kind, content): (FrameKind, [UInt8])
        do {
            (kind, content) = try bytes.withUnsafeBytes {
                try Sealed.open($0, number: number, with: opener, name)
            }
        } catch let error as PgkeepError where error.code == .integrity {
            return nil
        }
        position += UInt64(clear.frameBytes)
        number += 1
        guard kind != .directory else {
            reachedDirectory = true
            return nil
        }
        return (kind, content)
    }

    private func fill(_ bytes: inout [UInt8]) throws {
        let start = position
        try bytes.withUnsafeMutableBytes {
            try store.get(name, range: start..<start + UInt64($0.count), into: $0)
        }
    }
}
