public import Domain
import Vaulting

/// The recovery points of an instance: the answer of `backup list`.
public struct PointListing: Sendable, Encodable {
    /// A point that cannot be used.
    public struct Damaged: Sendable, Encodable {
        /// Its id.
        public var id: PointID
        /// What is wrong with it.
        public var reason: String
    }

    /// The points, oldest first.
    public var points: [ProvenPoint]
    /// Those whose root object is damaged.
    public var damaged: [Damaged]

    /// Reads the points of an instance. Throws `.notFound`.
    public static func read(_ context: JobContext, _ name: InstanceName) throws -> PointListing {
        let record = try Instances.find(context, name)
        let found = try Points.list(context, record)
        let proofs = try Drills.proven(context, record.systemIdentifier).points
        return PointListing(
            points: found.points.map { ProvenPoint($0, proofs[$0.id]) },
            damaged: found.damaged.map { Damaged(id: $0.id, reason: $0.error.message) }
        )
    }
}
