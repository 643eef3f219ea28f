import Domain

/// What the last frame of an object says about all others.
public struct ObjectDirectory: Sendable {
    /// One frame.
    public struct Frame: Hashable, Sendable {
        /// What it holds.
        public let kind: FrameKind
        /// The codec byte of its header.
        public let codec: UInt8
        /// Ciphertext bytes.
        public let storedBytes: UInt32
        /// Content bytes.
        public let rawBytes: UInt32
        /// Where its header begins in the object.
        public let offset: UInt64

        /// Bytes with header and tag.
        public var bytes: Int { Int(storedBytes) + VaultFormat.frameOverhead }
    }

    /// All frames before the directory, by number.
    public private(set) var frames: [Frame] = []
    /// What the object's kind puts beside the frames.
    public internal(set) var payload: [UInt8] = []

    init() {}

    /// Where the next frame begins.
    var end: UInt64 {
        frames.last.map { $0.offset + UInt64($0.bytes) } ?? UInt64(VaultFormat.headerBytes)
    }

    mutating func append(kind: FrameKind, codec: UInt8, storedBytes: UInt32, rawBytes: UInt32) {
        frames.append(
            Frame(
                kind: kind,
                codec: codec,
                storedBytes: storedBytes,
                rawBytes: rawBytes,
                offset: end
            )
        )
    }

    /// The payload of the directory frame.
    func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 8 + frames.count * 12 + payload.count)
        writer.append(UInt32(frames.count))
        for frame in frames {
            writer.append(frame.kind.rawValue)
            writer.append(frame.codec)
            writer.append(UInt16(0))
            writer.append(frame.storedBytes)
            writer.append(frame.rawBytes)
        }
        writer.append(UInt32(payload.count))
        writer.append(payload)
        return writer.bytes
    }

    /// Reads a directory frame's payload; `subject` names the object in errors.
    init(_ bytes: UnsafeRawBufferPointer, _ subject: String) throws(PgkeepError) {
        var reader = ByteReader(bytes, "the directory of \(subject)")
        let count = try reader.number(UInt32.self)
        guard count <= UInt32(VaultFormat.framesMax), reader.remaining >= Int(count) * 12 else {
            throw reader.malformed("\(count) frames do not fit")
        }
        frames.reserveCapacity(Int(count))
        for _ in 0..<count {
            let kind = try reader.byte()
            let codec = try reader.byte()
            guard try reader.number(UInt16.self) == 0, let kind = FrameKind(rawValue: kind) else {
                throw .newerFormat(subject)
            }
            append(
                kind: kind,
                codec: codec,
                storedBytes: try reader.number(UInt32.self),
                rawBytes: try reader.number(UInt32.self)
            )
        }
        payload = try reader.bytes(Int(try reader.number(UInt32.self)))
        try reader.finish()
    }
}
