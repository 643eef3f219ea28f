/// An operator's word that something must stay, whatever its policy says, until it is released.
///
/// Holds of any number may lie on the same points.
public struct Hold: Hashable, Sendable, Codable {
    /// What it is on.
    public enum Subject: Hashable, Sendable {
        /// One recovery point.
        case point(PointID)
        /// Every moment from the first to the second, which must stay within reach.
        case moments(from: Timestamp, to: Timestamp)
    }

    /// Its identity.
    public var id: PointID
    /// The instance.
    public var instance: InstanceName
    /// What it is on.
    public var subject: Subject
    /// What people call it: a case number, a reason.
    public var title: String
    /// When it was made.
    public var createdAt: Timestamp
    /// Who made it: user and host.
    public var by: String

    /// A hold.
    public init(
        id: PointID,
        instance: InstanceName,
        subject: Subject,
        title: String,
        createdAt: Timestamp,
        by: String
    ) {
        self.id = id
        self.instance = instance
        self.subject = subject
        self.title = title
        self.createdAt = createdAt
        self.by = by
    }

    /// The moments held; nil for a hold on a point.
    public var moments: ClosedRange<Timestamp>? {
        guard case .moments(let from, let to) = subject, from <= to else { return nil }
        return from...to
    }

    private enum CodingKeys: String, CodingKey {
        case id, instance, title, point, from, to, by
        case createdAt = "created_at"
    }

    /// Reads it.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decode(PointID.self, forKey: .id)
        instance = try container.decode(InstanceName.self, forKey: .instance)
        title = try container.decode(String.self, forKey: .title)
        createdAt = try container.decode(Timestamp.self, forKey: .createdAt)
        by = try container.decode(String.self, forKey: .by)
        if let point = try container.decodeIfPresent(PointID.self, forKey: .point) {
            subject = .point(point)
        } else {
            subject = .moments(
                from: try container.decode(Timestamp.self, forKey: .from),
                to: try container.decode(Timestamp.self, forKey: .to)
            )
        }
    }

    /// Writes every key, those that do not apply as null.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(instance, forKey: .instance)
        try container.encode(title, forKey: .title)
        try container.encode(createdAt, forKey: .createdAt)
        try container.encode(by, forKey: .by)
        var point: PointID?
        var span: (from: Timestamp, to: Timestamp)?
        switch subject {
        case .point(let id): point = id
        case .moments(let from, let to): span = (from, to)
        }
        try container.encode(point, forKey: .point)
        try container.encode(span?.from, forKey: .from)
        try container.encode(span?.to, forKey: .to)
    }
}
