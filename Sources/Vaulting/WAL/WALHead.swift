public import Domain

/// The first frame of every WAL object: which bytes these are and who writes them.
///
/// With it an object explains itself to a reader that holds nothing but a WAL key, and a journal
/// left behind names the session that must be dead before anyone may tidy it up.
public struct WALHead: Hashable, Sendable {
    /// The system the WAL is of.
    public var systemIdentifier: SystemIdentifier
    /// The segment these bytes begin.
    public var segment: WALSegment
    /// The session that wrote them; its lease says whether it lives.
    public var writer: PointID

    static let byteCount = 48

    /// A head.
    public init(systemIdentifier: SystemIdentifier, segment: WALSegment, writer: PointID) {
        self.systemIdentifier = systemIdentifier
        self.segment = segment
        self.writer = writer
    }

    var bytes: [UInt8] {
        var output = ByteWriter(capacity: Self.byteCount)
        output.append(systemIdentifier.rawValue)
        output.append(segment.number)
        output.append(segment.size.bytes)
        output.append(segment.timeline)
        output.append(UInt32(0))
        output.append(writer.bytes)
        return output.bytes
    }

    init(_ memory: UnsafeRawBufferPointer, _ subject: String) throws(PgkeepError) {
        var input = ByteReader(memory, subject)
        systemIdentifier = SystemIdentifier(try input.number(UInt64.self))
        let number = try input.number(UInt64.self)
        let bytes = try input.number(UInt64.self)
        let timeline = try input.number(UInt32.self)
        guard let size = WALSegmentSize(bytes: bytes), try input.number(UInt32.self) == 0,
            number < UInt64.max / bytes, let writer = PointID(bytes: try input.bytes(16))
        else { throw input.malformed("no WAL head") }
        segment = WALSegment(timeline: timeline, number: number, size: size)
        self.writer = writer
        try input.finish()
    }
}
