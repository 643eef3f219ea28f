public import Domain

/// A recovery point with what drills have shown of it: its JSON has the keys of both.
public struct ProvenPoint: Sendable, Encodable {
    /// The point.
    public let point: RecoveryPoint
    /// The last conclusive drill that began with it; nil when there was none.
    public let proof: PointProof?

    /// A point and what was shown of it.
    public init(_ point: RecoveryPoint, _ proof: PointProof?) {
        self.point = point
        self.proof = proof
    }

    private enum CodingKeys: String, CodingKey {
        case provenAt = "proven_at"
        case provenLevel = "proven_level"
        case unsoundAt = "unsound_at"
        case drill = "last_drill"
    }

    /// Writes every key, unknown values as null.
    public func encode(to encoder: any Encoder) throws {
        try point.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        let isSound = proof?.isSound ?? false
        try container.encode(isSound ? proof?.at : nil, forKey: .provenAt)
        try container.encode(isSound ? proof?.level : nil, forKey: .provenLevel)
        try container.encode(isSound ? nil : proof?.at, forKey: .unsoundAt)
        try container.encode(proof?.drill, forKey: .drill)
    }
}
