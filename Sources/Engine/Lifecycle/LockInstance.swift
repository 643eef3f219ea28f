public import Domain
import Platform
public import Vaulting

/// Locks an instance against what operators may do to it by mistake, or takes the lock off.
/// Backups, WAL and what its policy lets go are not concerned.
public struct LockInstance {
    private let context: JobContext
    private let name: InstanceName
    private let level: InstanceRecord.LockLevel?

    /// A lock of this level; nil takes it off.
    public init(context: JobContext, name: InstanceName, level: InstanceRecord.LockLevel?) {
        self.context = context
        self.name = name
        self.level = level
    }

    /// Locks or unlocks; returns the record as it is now. Doing it twice changes nothing.
    @discardableResult
    public func run() throws -> InstanceRecord {
        let found = try Instances.findAny(context, name)
        guard found.lock != level else { return found }
        let stored = try context.vault.instances(clock: context.clock).change(name.description) {
            $0.lock = level
        }
        guard let record = stored.value else { throw Lifecycle.vanished(name) }
        if level != nil { try LettingGo(context, record.systemIdentifier).protect() }
        try ActivityLog(context.vault, context.clock).append(
            action: level == nil ? "instance.unlock" : "instance.lock",
            instance: name,
            details: [
                "old": found.lock?.rawValue ?? "none", "new": level?.rawValue ?? "none",
            ]
        )
        return record
    }
}
