/// The operator's name for an instance: 1 to 63 of `a-z 0-9 _ -`, beginning with a letter or digit.
///
/// It appears in slot names, paths and URLs, so nothing in it ever needs quoting.
public struct InstanceName: Hashable, Comparable, Sendable, Codable, LosslessStringConvertible {
    /// The name.
    public let description: String

    /// Nil unless the text is a legal name.
    public init?(_ text: some StringProtocol) {
        let isPlain = { (byte: UInt8) in (97...122).contains(byte) || (48...57).contains(byte) }
        guard (1...63).contains(text.utf8.count), let first = text.utf8.first, isPlain(first),
            text.utf8.allSatisfy({ isPlain($0) || $0 == 95 || $0 == 45 })
        else { return nil }
        description = String(text)
    }

    /// As `init?`, with an error that says what a name may be.
    public init(checking text: some StringProtocol) throws(PgkeepError) {
        guard let name = InstanceName(text) else {
            throw PgkeepError(
                .usage,
                "\"\(text)\" is no name for an instance",
                hint: "use 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit"
            )
        }
        self = name
    }

    /// The name in the form a replication slot allows, where `-` is not legal.
    public var slotSuffix: String { String(description.map { $0 == "-" ? "_" : $0 }) }

    /// Orders by name.
    public static func < (left: InstanceName, right: InstanceName) -> Bool {
        left.description < right.description
    }

    /// Reads the name.
    public init(from decoder: any Decoder) throws {
        self = try decodeText(decoder, "an instance name")
    }

    /// Writes the name.
    public func encode(to encoder: any Encoder) throws { try encodeText(self, encoder) }
}
