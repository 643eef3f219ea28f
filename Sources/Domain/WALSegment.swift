/// The number of a timeline: 1 for a new cluster, one more for each promotion.
public typealias TimelineID = UInt32

/// The fixed length of one cluster's WAL segments: a power of two from 1 MiB to 1 GiB.
public struct WALSegmentSize: Hashable, Sendable, Codable {
    /// The length in bytes.
    public let bytes: UInt64

    /// PostgreSQL's default, 16 MiB.
    public static let standard = WALSegmentSize(unchecked: 16 << 20)

    /// Nil unless `bytes` is a power of two from 1 MiB to 1 GiB.
    public init?(bytes: UInt64) {
        guard bytes >= 1 << 20, bytes <= 1 << 30, bytes & (bytes - 1) == 0 else { return nil }
        self.bytes = bytes
    }

    private init(unchecked bytes: UInt64) { self.bytes = bytes }

    /// Reads the length in bytes.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let size = WALSegmentSize(bytes: try container.decode(UInt64.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription: "not a WAL segment size"
            )
        }
        self = size
    }

    /// Writes the length in bytes.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(bytes)
    }

    /// How many segments share one value of the middle part of the file name.
    public var segmentsPerLog: UInt64 { (1 << 32) / bytes }

    /// The first byte of the segment that holds the byte at `position`.
    public func segmentStart(_ position: LSN) -> LSN { LSN(position.rawValue & ~(bytes - 1)) }
}

/// One WAL segment of one timeline, convertible to and from its 24-digit file name.
public struct WALSegment: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The timeline in the file name.
    public var timeline: TimelineID
    /// Position divided by segment size.
    public var number: UInt64
    /// The cluster's segment size.
    public var size: WALSegmentSize

    /// The segment with the given number.
    public init(timeline: TimelineID, number: UInt64, size: WALSegmentSize) {
        self.timeline = timeline
        self.number = number
        self.size = size
    }

    /// The segment holding the byte at `position`.
    public init(timeline: TimelineID, containing position: LSN, size: WALSegmentSize) {
        self.init(timeline: timeline, number: position.rawValue / size.bytes, size: size)
    }

    /// The segment holding the last byte before `end`: the right one for end positions.
    public init(timeline: TimelineID, endingAt end: LSN, size: WALSegmentSize) {
        precondition(end > .zero)
        self.init(timeline: timeline, number: (end.rawValue - 1) / size.bytes, size: size)
    }

    /// Parses a file name of 24 upper-case hexadecimal digits; nil when it is none.
    public init?(name: some StringProtocol, size: WALSegmentSize) {
        guard Self.isName(name) else { return nil }
        let text = String(name)
        let middle = text.index(text.startIndex, offsetBy: 8)
        let last = text.index(text.startIndex, offsetBy: 16)
        guard let timeline = UInt32(text[..<middle], radix: 16), timeline > 0,
            let log = UInt64(text[middle..<last], radix: 16),
            let index = UInt64(text[last...], radix: 16), index < size.segmentsPerLog
        else { return nil }
        self.init(timeline: timeline, number: log * size.segmentsPerLog + index, size: size)
    }

    /// True for 24 upper-case hexadecimal digits.
    public static func isName(_ text: some StringProtocol) -> Bool {
        text.utf8.count == 24
            && text.utf8.allSatisfy { (48...57).contains($0) || (65...70).contains($0) }
    }

    /// The file name.
    public var name: String {
        hex8(UInt64(timeline)) + hex8(number / size.segmentsPerLog)
            + hex8(number % size.segmentsPerLog)
    }

    /// The position of the segment's first byte.
    public var start: LSN { LSN(number * size.bytes) }

    /// The position after the segment's last byte.
    public var end: LSN { LSN((number + 1) * size.bytes) }

    /// The segment after this one on the same timeline.
    public var next: WALSegment { WALSegment(timeline: timeline, number: number + 1, size: size) }

    /// The file name.
    public var description: String { name }

    /// Orders by timeline, then number.
    public static func < (left: WALSegment, right: WALSegment) -> Bool {
        (left.timeline, left.number) < (right.timeline, right.number)
    }
}

/// Eight upper-case hexadecimal digits.
func hex8(_ value: UInt64) -> String {
    let digits = String(value, radix: 16, uppercase: true)
    return String(repeating: "0", count: max(0, 8 - digits.utf8.count)) + digits
}
