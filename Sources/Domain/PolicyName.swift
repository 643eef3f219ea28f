/// The name of a policy: 1 to 63 of `a-z 0-9 _ -`, beginning with a letter or digit.
public struct PolicyName: Hashable, Comparable, Sendable, Codable, LosslessStringConvertible {
    /// The name.
    public let description: String

    /// The policy of instances that name no other.
    public static let standard = PolicyName(unchecked: "default")

    private init(unchecked text: String) { description = text }

    /// Nil unless the text is a legal name.
    public init?(_ text: some StringProtocol) {
        guard let name = InstanceName(text) else { return nil }
        description = name.description
    }

    /// As `init?`, with an error that says what a name may be.
    public init(checking text: some StringProtocol) throws(PgkeepError) {
        guard let name = PolicyName(text) else {
            throw PgkeepError(
                .usage,
                "\"\(text)\" is no name for a policy",
                hint: "use 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit"
            )
        }
        self = name
    }

    /// Orders by name.
    public static func < (left: PolicyName, right: PolicyName) -> Bool {
        left.description < right.description
    }

    /// Reads the name.
    public init(from decoder: any Decoder) throws {
        self = try decodeText(decoder, "a policy name")
    }

    /// Writes the name.
    public func encode(to encoder: any Encoder) throws { try encodeText(self, encoder) }
}
