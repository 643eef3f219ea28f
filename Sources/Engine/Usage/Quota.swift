public import Domain
import Platform
import Storage
public import Vaulting

/// The quota of an instance: a control record of kind `quota`, its id the system identifier.
///
/// Without one the standard applies: as much as the source takes.
public struct Quota: Sendable, Codable {
    /// The cluster.
    public private(set) var systemIdentifier: SystemIdentifier
    /// How much it may take before somebody is told.
    public private(set) var quota: StorageQuota

    enum CodingKeys: String, CodingKey {
        case quota
        case systemIdentifier = "system_identifier"
    }

    private static func store(_ context: JobContext) -> RecordStore<Quota> {
        RecordStore(context.vault, kind: "quota", clock: context.clock)
    }

    /// The quotas that were set, by cluster.
    static func list(_ context: JobContext) throws -> [SystemIdentifier: StorageQuota] {
        let found = try store(context).listReadable().compactMap(\.value)
        return Dictionary(found.map { ($0.systemIdentifier, $0.quota) }) { first, _ in first }
    }

    /// The quota of an instance.
    public static func read(
        _ context: JobContext,
        _ instance: InstanceRecord
    ) throws -> StorageQuota {
        let record = try store(context).read(instance.systemIdentifier.hex)
        return record?.value?.quota ?? .standard
    }

    /// Sets the quota of an instance. Durable on return.
    public static func set(
        _ context: JobContext,
        _ instance: InstanceRecord,
        to quota: StorageQuota
    ) throws {
        let store = store(context)
        let id = instance.systemIdentifier.hex
        let value = Quota(systemIdentifier: instance.systemIdentifier, quota: quota)
        if let old = try store.read(id) {
            try store.update(old, to: value)
        } else {
            try store.create(id, value)
        }
    }

    /// What to tell after a backup of an instance that has passed its quota; nil when it has not.
    ///
    /// Reads one listing. The backup is kept whatever comes out.
    static func warning(
        _ context: JobContext,
        _ instance: InstanceRecord,
        sourceBytes: UInt64
    ) throws -> String? {
        let prefix = VaultNames.prefix(instance.systemIdentifier)
        let used = try context.vault.store.list(prefix: prefix).reduce(0) { $0 + $1.size }
        let quota = try read(context, instance)
        let allowed = quota.bytes(ofSource: sourceBytes)
        guard used > allowed else { return nil }
        return "quota-exceeded: \(instance.name) takes \(used) bytes in the vault, its quota is"
            + " \(allowed); keep less, or raise it: pgkeep vault quota \(instance.name) VALUE"
    }
}
