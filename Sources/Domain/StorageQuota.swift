/// How much of the vault an instance may take before somebody is told: a share of its source's
/// size, or bytes.
///
/// Passing it is said, and never drops or refuses a backup. Text form: `150%`, or bytes.
public enum StorageQuota: Hashable, Sendable, Codable, LosslessStringConvertible {
    /// So many hundredths of what the newest recovery point restores.
    case percent(UInt64)
    /// So many bytes.
    case bytes(UInt64)

    /// As much as the source itself takes.
    public static let standard = StorageQuota.percent(100)

    /// The bytes it comes to for a source of `sourceBytes`.
    public func bytes(ofSource sourceBytes: UInt64) -> UInt64 {
        switch self {
        case .bytes(let bytes): bytes
        case .percent(let share):
            UInt64(min(Double(sourceBytes) * Double(share) / 100, Double(UInt64.max / 2)))
        }
    }

    /// Parses the text form; nil for anything else, and for nothing at all of a source.
    public init?(_ text: some StringProtocol) {
        if text.hasSuffix("%") {
            guard let share = UInt64(text.dropLast()), (1...100_000).contains(share) else {
                return nil
            }
            self = .percent(share)
        } else {
            guard let bytes = UInt64(text) else { return nil }
            self = .bytes(bytes)
        }
    }

    /// The text form.
    public var description: String {
        switch self {
        case .percent(let share): "\(share)%"
        case .bytes(let bytes): "\(bytes)"
        }
    }

    /// Reads the text form.
    public init(from decoder: any Decoder) throws { self = try decodeText(decoder, "a quota") }

    /// Writes the text form.
    public func encode(to encoder: any Encoder) throws { try encodeText(self, encoder) }
}
