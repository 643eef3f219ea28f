public import Domain

/// What a check of a vault found.
public struct CheckReport: Sendable, Encodable {
    /// One thing that is wrong.
    public struct Damage: Hashable, Sendable, Encodable {
        /// The object, or the name it should have.
        public var object: String
        /// What is wrong with it.
        public var reason: String
        /// The instance, when it belongs to one.
        public var instance: String?
        /// The recovery points that cannot be restored because of it, or not as they were.
        public var points: [PointID]
        /// The WAL that cannot be replayed because of it: the recovery window ends or breaks there.
        public var fromLSN: LSN?
        /// The end of that WAL.
        public var toLSN: LSN?

        enum CodingKeys: String, CodingKey {
            case object, reason, instance, points
            case fromLSN = "from_lsn"
            case toLSN = "to_lsn"
        }
    }

    /// True when nothing is wrong.
    public var ok: Bool { damage.isEmpty }
    /// How closely was looked.
    public var level: String
    /// Objects looked at.
    public var objects: Int
    /// Bytes read and decoded.
    public var bytes: UInt64
    /// What is wrong, by object.
    public var damage: [Damage]

    enum CodingKeys: String, CodingKey { case ok, level, objects, bytes, damage }

    /// Writes `ok` besides what is stored.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(ok, forKey: .ok)
        try container.encode(level, forKey: .level)
        try container.encode(objects, forKey: .objects)
        try container.encode(bytes, forKey: .bytes)
        try container.encode(damage, forKey: .damage)
    }

    /// The error a check that found something ends with; nil when all is well.
    public var error: PgkeepError? {
        guard let first = damage.first else { return nil }
        let points = Set(damage.flatMap(\.points)).count
        return PgkeepError(
            .integrity,
            "\(damage.count) damaged or missing objects, \(points) recovery points affected;"
                + " the first: \(first.object): \(first.reason)",
            hint: "restore from points not named; take a new backup now:"
                + " pgkeep backup create \(first.instance ?? "NAME")"
        )
    }
}
