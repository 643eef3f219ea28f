/// The number initdb gives a cluster; it and all its copies and standbys share it.
///
/// Text form is decimal, as pg_controldata and IDENTIFY_SYSTEM print it.
public struct SystemIdentifier: RawRepresentable, Hashable, Comparable, Sendable, Codable,
    LosslessStringConvertible
{
    /// The number.
    public var rawValue: UInt64

    /// Wraps the number.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Wraps the number.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// Parses decimal digits; nil for anything else and for 0.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.allSatisfy({ (48...57).contains($0) }), let value = UInt64(text), value > 0
        else { return nil }
        rawValue = value
    }

    /// Parses the 16 lower-case hexadecimal digits of `hex`; nil for anything else.
    public init?(hex: some StringProtocol) {
        guard hex.utf8.count == 16,
            hex.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }),
            let value = UInt64(hex, radix: 16), value > 0
        else { return nil }
        rawValue = value
    }

    /// Decimal digits.
    public var description: String { String(rawValue) }

    /// 16 lower-case hexadecimal digits: the `<cluster>` of vault keys.
    public var hex: String {
        let digits = String(rawValue, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    /// Orders by number, which is by age.
    public static func < (left: SystemIdentifier, right: SystemIdentifier) -> Bool {
        left.rawValue < right.rawValue
    }

    /// Reads the text form.
    public init(from decoder: any Decoder) throws {
        self = try decodeText(decoder, "a system identifier")
    }

    /// Writes the text form.
    public func encode(to encoder: any Encoder) throws { try encodeText(self, encoder) }
}
