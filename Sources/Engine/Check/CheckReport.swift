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

    /// WAL that is missing between what is there, with its cause: the recovery window breaks there.
    /// What was lost when there was nobody to keep it is no damage of the vault.
    public struct Gap: Hashable, Sendable, Encodable {
        /// The instance.
        public var instance: String
        /// The first byte missing.
        public var fromLSN: LSN
        /// The position after the last byte missing.
        public var toLSN: LSN
        /// Why.
        public var cause: WALHoldings.GapCause

        enum CodingKeys: String, CodingKey {
            case instance, cause
            case fromLSN = "from_lsn"
            case toLSN = "to_lsn"
        }
    }

    /// A pack known to be damaged: the next backup stores its pages anew.
    public struct DamagedPack: Hashable, Sendable, Encodable {
        /// The instance.
        public var instance: String
        /// The pack.
        public var object: String
        /// When the damage was first found.
        public var foundAt: Timestamp

        enum CodingKeys: String, CodingKey {
            case instance, object
            case foundAt = "found_at"
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
    /// WAL that is missing.
    public var gaps: [Gap] = []
    /// Packs known to be damaged, also from earlier checks.
    public var damagedPacks: [DamagedPack] = []
    /// Objects and points left out, since an earlier check had looked at them.
    public var leftOut = 0
    /// Objects and points not looked at, since the budget was spent; the next check begins there.
    public var due = 0

    enum CodingKeys: String, CodingKey {
        case ok, level, objects, bytes, damage, gaps, due
        case damagedPacks = "damaged_packs"
        case leftOut = "left_out"
    }

    /// Writes `ok` besides what is stored.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(ok, forKey: .ok)
        try container.encode(level, forKey: .level)
        try container.encode(objects, forKey: .objects)
        try container.encode(bytes, forKey: .bytes)
        try container.encode(damage, forKey: .damage)
        try container.encode(gaps, forKey: .gaps)
        try container.encode(damagedPacks, forKey: .damagedPacks)
        try container.encode(leftOut, forKey: .leftOut)
        try container.encode(due, forKey: .due)
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
