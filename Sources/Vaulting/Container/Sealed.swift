public import Domain
package import Sealing
public import Storage

/// Small sealed objects as a whole, and what all ways of reading frames share.
public enum Sealed {
    /// A small object, ready for `put` or `putIfAbsent` under `name`. Every call seals under a new
    /// object id; a retry that must be recognised as the same repeats the bytes, not the call.
    public static func encode(
        _ vault: Vault,
        _ name: ObjectName,
        kind: ObjectKind,
        system: SystemIdentifier?,
        frames: [(kind: FrameKind, bytes: [UInt8])],
        payload: [UInt8] = []
    ) throws -> [UInt8] {
        let memory = MemoryObjectWriter()
        let writer = try SealedObjectWriter(
            vault,
            name: name,
            kind: kind,
            system: system,
            into: memory,
            bufferBytes: 4096
        )
        for frame in frames { try writer.append(frame.kind, frame.bytes) }
        _ = try writer.seal(payload: payload)
        return memory.bytes
    }

    /// All frames of a small object whose bytes are at hand.
    public static func decode(
        _ vault: Vault,
        _ name: ObjectName,
        kinds: [ObjectKind],
        system: SystemIdentifier?,
        bytes: [UInt8]
    ) throws -> (kind: ObjectKind, frames: [(kind: FrameKind, bytes: [UInt8])]) {
        let reader = try SealedObjectReader(
            vault,
            name,
            kinds: kinds,
            system: system,
            bytes: bytes
        )
        let frames = try reader.frames.indices.map {
            (kind: reader.frames[$0].kind, bytes: try reader.read($0))
        }
        return (reader.object.header.kind, frames)
    }

    /// Opens one frame of unknown length; returns its kind and content.
    package static func open(
        _ frame: UnsafeRawBufferPointer,
        number: UInt32,
        with opener: FrameOpener,
        _ name: ObjectName
    ) throws -> (FrameKind, [UInt8]) {
        guard let clear = FrameHeader(frame) else {
            throw PgkeepError.damaged(name, "frame \(number) has no header")
        }
        var content = [UInt8](repeating: 0, count: Int(clear.rawBytes))
        let header: FrameHeader
        do {
            header = try content.withUnsafeMutableBytes {
                try opener.open(frame, expectNumber: number, into: $0)
            }
        } catch let error as PgkeepError where error.code == .integrity {
            throw PgkeepError.damaged(name, "frame \(number)", cause: error)
        }
        guard let kind = FrameKind(rawValue: header.kind) else {
            throw PgkeepError.newerFormat(name.text)
        }
        return (kind, content)
    }
}

/// Collects an object's bytes in memory.
final class MemoryObjectWriter: ObjectWriter {
    private(set) var bytes: [UInt8] = []

    var length: UInt64 { UInt64(bytes.count) }

    func append(_ more: UnsafeRawBufferPointer) throws { bytes.append(contentsOf: more) }

    func sync() throws {}

    func publish(as name: ObjectName) throws -> Bool {
        preconditionFailure("memory is not published")
    }

    func discard() throws { bytes = [] }
}
