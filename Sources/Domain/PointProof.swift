/// What the last conclusive drill that began with a point has shown.
public struct PointProof: Hashable, Sendable, Codable {
    /// The point.
    public var point: PointID
    /// The drill's receipt.
    public var drill: JobID
    /// When the copy had been judged.
    public var at: Timestamp
    /// True when the copy was what it should be.
    public var isSound: Bool
    /// How far it got.
    public var level: Drill.Level?

    enum CodingKeys: String, CodingKey {
        case point, drill, at, level
        case isSound = "sound"
    }

    /// What `drill` says of the point it began with; nil when it says nothing.
    public init?(_ drill: Drill) {
        guard let point = drill.point, drill.isConclusive else { return nil }
        self.point = point
        self.drill = drill.id
        at = drill.endedAt
        isSound = drill.outcome == .sound
        level = drill.level
    }
}
