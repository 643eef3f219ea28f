public import Domain

/// One line of the activity log: who did what, when and why.
public struct ActivityEntry: Hashable, Sendable, Codable {
    /// Counted from 1, without holes.
    public var number: UInt64
    /// When, on the actor's clock.
    public var at: Timestamp
    /// Who: `user@host`.
    public var actor: String
    /// What: `restore.started`, `instance.deleted`, …
    public var action: String
    /// The instance it is about.
    public var instance: InstanceName?
    /// Particulars, by name.
    public var details: [String: String]
    /// The reason given, one of a list where there is one.
    public var reason: String?
    /// The operator's own words.
    public var comment: String?
    /// SHA-256, in hexadecimal digits, of the entry before as it is stored; 64 zeros in the first.
    public var previous: String

    /// What the first entry names as the one before it.
    public static let origin = String(repeating: "0", count: 64)

    enum CodingKeys: CodingKey {
        case number, at, actor, action, instance, details, reason, comment, previous
    }

    /// Writes every key.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(number, forKey: .number)
        try container.encode(at, forKey: .at)
        try container.encode(actor, forKey: .actor)
        try container.encode(action, forKey: .action)
        try container.encode(instance, forKey: .instance)
        try container.encode(details, forKey: .details)
        try container.encode(reason, forKey: .reason)
        try container.encode(comment, forKey: .comment)
        try container.encode(previous, forKey: .previous)
    }
}
