public import Domain
public import Vaulting

/// One instance and what the vault holds of it: the answer of `instance show`.
public struct InstanceDescription: Sendable, Encodable {
    /// Its record.
    public var instance: InstanceRecord
    /// How many recovery points it has.
    public var points: Int
    /// The newest of them.
    public var lastPoint: RecoveryPoint?

    private enum CodingKeys: String, CodingKey {
        case instance, points
        case lastPoint = "last_point"
    }

    /// Writes every key, unknown values as null.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(instance, forKey: .instance)
        try container.encode(points, forKey: .points)
        try container.encode(lastPoint, forKey: .lastPoint)
    }

    /// Reads an instance, also one in the trash. Throws `.notFound`.
    public static func read(
        _ context: JobContext,
        _ name: InstanceName
    ) throws -> InstanceDescription {
        let record = try Instances.findAny(context, name)
        let points = try Points.list(context, record).points
        return InstanceDescription(instance: record, points: points.count, lastPoint: points.last)
    }
}
