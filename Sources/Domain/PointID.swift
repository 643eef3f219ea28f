/// The identity of a recovery point and of the backup session that made it: a UUID version 7.
///
/// The first 48 bits are the milliseconds of its birth, so ids sort by age and a vault listing by
/// name is in order. Text form is 36 lower-case characters.
public struct PointID: Hashable, Comparable, Sendable, Codable, LosslessStringConvertible {
    private let value: UUID128

    /// An id born `milliseconds` after the Unix epoch; of `random`, 74 bits are used.
    public init(milliseconds: UInt64, random: (UInt64, UInt64)) {
        value = UUID128(
            high: milliseconds << 16 | 0x7000 | random.0 & 0x0fff,
            low: 0x8000_0000_0000_0000 | random.1 >> 2
        )
    }

    /// An id born at `time`.
    public init(time: Timestamp, random: (UInt64, UInt64)) {
        self.init(milliseconds: UInt64(max(0, time.microseconds / 1000)), random: random)
    }

    /// From its 16 bytes; nil when they are no UUID version 7.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        self.init(UUID128(bytes: bytes))
    }

    /// Parses the text form; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard let parsed = UUID128(text) else { return nil }
        self.init(parsed)
    }

    private init?(_ candidate: UUID128) {
        guard candidate.high >> 12 & 0xf == 7, candidate.low >> 62 == 2 else { return nil }
        value = candidate
    }

    /// The 16 bytes, most significant first.
    public var bytes: [UInt8] { value.bytes }

    /// When it was born, in whole milliseconds.
    public var time: Timestamp { Timestamp(microseconds: Int64(value.high >> 16) * 1000) }

    /// 36 lower-case characters.
    public var description: String { value.text }

    /// Orders by birth.
    public static func < (left: PointID, right: PointID) -> Bool { left.value < right.value }

    /// Reads the text form.
    public init(from decoder: any Decoder) throws {
        self = try decodeText(decoder, "a recovery point id")
    }

    /// Writes the text form.
    public func encode(to encoder: any Encoder) throws { try encodeText(self, encoder) }
}
