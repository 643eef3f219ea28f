public import Vaulting

/// The instances of a vault: the answer of `instance list`.
public struct InstanceListing: Sendable, Encodable {
    /// Those asked for, by name.
    public var instances: [InstanceRecord]

    /// Reads those that meet a filter; without one all, also those in the trash.
    public static func read(
        _ context: JobContext,
        _ filter: InstanceFilter = InstanceFilter()
    ) throws -> InstanceListing {
        InstanceListing(instances: try Instances.all(context).filter(filter.accepts))
    }
}
