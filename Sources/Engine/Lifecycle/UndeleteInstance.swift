public import Domain
import Platform
public import Vaulting

/// Takes an instance out of the trash. It is stopped then and keeps all it has; its protection is
/// taken up again by resuming it.
public struct UndeleteInstance {
    private let context: JobContext
    private let name: InstanceName

    /// The way back of an instance.
    public init(context: JobContext, name: InstanceName) {
        self.context = context
        self.name = name
    }

    /// Takes it out; returns the record as it is now. Throws `.refused` when it is not in the
    /// trash, or is being deleted for good; `.notFound`.
    public func run() throws -> InstanceRecord {
        let store = context.vault.instances(clock: context.clock)
        _ = try Instances.findAny(context, name)
        let stored = try store.change(name.description) { record in
            guard record.state == .deleted, let trash = record.trash else {
                throw PgkeepError(
                    .refused,
                    "\(name) is not deleted",
                    hint: "it is \(record.state.rawValue); see pgkeep instance show \(name)"
                )
            }
            guard trash.purgingSince == nil else {
                throw PgkeepError(
                    .refused,
                    "\(name) is being deleted for good since \(trash.purgeAt)",
                    hint: "nothing of it can be restored any more; vault prune brings it to its end"
                )
            }
            record.state = .stoppedForever
            record.trash = nil
        }
        guard let record = stored.value else { throw Lifecycle.vanished(name) }
        try ActivityLog(context.vault, context.clock).append(
            action: "instance.undelete",
            instance: name,
            details: ["new": record.state.rawValue]
        )
        return record
    }
}
