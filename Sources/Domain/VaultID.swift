/// The identity of a vault: 16 random bytes written as a UUID version 4.
public struct VaultID: Hashable, Comparable, Sendable, Codable, LosslessStringConvertible {
    private let value: UUID128

    /// An id from 128 random bits, of which 122 are used.
    public init(random: (UInt64, UInt64)) {
        value = UUID128(
            high: random.0 & 0xffff_ffff_ffff_0fff | 0x4000,
            low: 0x8000_0000_0000_0000 | random.1 >> 2
        )
    }

    /// From its 16 bytes; nil when there are not 16.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        value = UUID128(bytes: bytes)
    }

    /// Parses the text form of 36 lower-case characters; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard let parsed = UUID128(text) else { return nil }
        value = parsed
    }

    /// The 16 bytes, most significant first.
    public var bytes: [UInt8] { value.bytes }

    /// 36 lower-case characters.
    public var description: String { value.text }

    /// Orders by value.
    public static func < (left: VaultID, right: VaultID) -> Bool { left.value < right.value }

    /// Reads the text form.
    public init(from decoder: any Decoder) throws { self = try decodeText(decoder, "a vault id") }

    /// Writes the text form.
    public func encode(to encoder: any Encoder) throws { try encodeText(self, encoder) }
}
