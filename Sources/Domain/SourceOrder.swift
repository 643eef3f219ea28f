/// Which servers of an instance something is taken from, in order of preference: `primary`,
/// `standby`, `standby,primary`, or `any` of them as they were added.
public struct SourceOrder: Hashable, Sendable, CustomStringConvertible {
    /// What a server is at the moment.
    public enum Role: String, Hashable, Sendable, CaseIterable {
        /// It accepts writes.
        case primary
        /// It follows another one.
        case standby
    }

    /// The roles that will do, the best first; empty: any server does.
    public let roles: [Role]

    /// Any server.
    public static let any = SourceOrder(roles: [])

    /// The one server that accepts writes.
    public static let primary = SourceOrder(roles: [.primary])

    private init(roles: [Role]) { self.roles = roles }

    /// Reads the text form; nil for anything else.
    public init?(_ text: String) {
        guard text != "any" else {
            self = .any
            return
        }
        let words = text.split(separator: ",", omittingEmptySubsequences: false)
        let roles = words.compactMap { Role(rawValue: $0.filter { $0 != " " }) }
        guard roles.count == words.count, Set(roles).count == roles.count, !roles.isEmpty else {
            return nil
        }
        self.roles = roles
    }

    /// The text form.
    public var description: String {
        roles.isEmpty ? "any" : roles.map(\.rawValue).joined(separator: ",")
    }

    /// How well a role will do, 0 is best; nil: not at all.
    public func rank(of role: Role) -> Int? {
        roles.isEmpty ? 0 : roles.firstIndex(of: role)
    }
}

extension SourceOrder: Codable {
    /// Reads the text form.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let order = SourceOrder(text) else {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription: "\(text) is no order of servers"
            )
        }
        self = order
    }

    /// Writes the text form.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
