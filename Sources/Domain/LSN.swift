/// A position in the write-ahead log: a byte offset since the beginning of the log.
///
/// Text form is PostgreSQL's `X/X`: upper-case hexadecimal of the high and low 32 bits, without
/// leading zeros. Compare the values, never the texts.
public struct LSN: RawRepresentable, Hashable, Comparable, Sendable, Codable,
    LosslessStringConvertible
{
    /// The byte offset.
    public var rawValue: UInt64

    /// Position zero, which PostgreSQL uses for "none".
    public static let zero = LSN(rawValue: 0)

    /// Wraps a byte offset.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Wraps a byte offset.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// Parses `X/X`; nil when the text is anything else.
    public init?(_ text: some StringProtocol) {
        let halves = text.split(separator: "/", omittingEmptySubsequences: false)
        guard halves.count == 2,
            halves.allSatisfy({ (1...8).contains($0.utf8.count) && $0.allSatisfy(\.isHexDigit) }),
            let high = UInt32(halves[0], radix: 16), let low = UInt32(halves[1], radix: 16)
        else { return nil }
        rawValue = UInt64(high) << 32 | UInt64(low)
    }

    /// `X/X`.
    public var description: String {
        let high = String(rawValue >> 32, radix: 16, uppercase: true)
        let low = String(rawValue & 0xffff_ffff, radix: 16, uppercase: true)
        return "\(high)/\(low)"
    }

    /// Orders by position.
    public static func < (left: LSN, right: LSN) -> Bool { left.rawValue < right.rawValue }

    /// The position `bytes` further on.
    public static func + (position: LSN, bytes: UInt64) -> LSN { LSN(position.rawValue + bytes) }

    /// The bytes from `right` up to `left`, which must not lie before it.
    public static func - (left: LSN, right: LSN) -> UInt64 { left.rawValue - right.rawValue }

    /// Reads the text form.
    public init(from decoder: any Decoder) throws { self = try decodeText(decoder, "an LSN") }

    /// Writes the text form.
    public func encode(to encoder: any Encoder) throws { try encodeText(self, encoder) }
}
