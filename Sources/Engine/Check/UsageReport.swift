public import Domain
import Storage
import Vaulting

/// What a vault takes, by instance and by point.
public struct UsageReport: Sendable, Encodable {
    /// One recovery point.
    public struct Point: Sendable, Encodable {
        /// Its id.
        public var id: PointID
        /// Bytes it added to the vault.
        public var storedBytes: UInt64
        /// Bytes of the files it restores.
        public var logicalBytes: UInt64

        enum CodingKeys: String, CodingKey {
            case id
            case storedBytes = "stored_bytes"
            case logicalBytes = "logical_bytes"
        }
    }

    /// One instance.
    public struct Instance: Sendable, Encodable {
        /// Its name; the system identifier in hexadecimal when no record names it.
        public var name: String
        /// Its cluster.
        public var systemIdentifier: SystemIdentifier
        /// Bytes of base backups.
        public var baseBytes: UInt64
        /// Bytes of WAL and timeline histories.
        public var walBytes: UInt64
        /// Bytes of roots, leases, markers.
        public var metaBytes: UInt64
        /// All bytes.
        public var totalBytes: UInt64
        /// Its points, oldest first.
        public var points: [Point]

        enum CodingKeys: String, CodingKey {
            case name, points
            case systemIdentifier = "system_identifier"
            case baseBytes = "base_bytes"
            case walBytes = "wal_bytes"
            case metaBytes = "meta_bytes"
            case totalBytes = "total_bytes"
        }
    }

    /// By name.
    public var instances: [Instance]
    /// Bytes of the vault's own records and keys.
    public var vaultBytes: UInt64
    /// All bytes.
    public var totalBytes: UInt64
    /// Objects.
    public var objects: Int
    /// Bytes the vault's storage still has; nil when it cannot say.
    public var freeBytes: UInt64?

    enum CodingKeys: String, CodingKey {
        case instances, objects
        case vaultBytes = "vault_bytes"
        case totalBytes = "total_bytes"
        case freeBytes = "free_bytes"
    }

    /// Counts what is in the vault now.
    public static func read(_ context: JobContext) throws -> UsageReport {
        let usage = try VaultUsage(context.vault)
        let records = try Instances.list(context)
        let instances = try usage.instances.map { system, bytes in
            let name = records.first { $0.systemIdentifier == system }?.name.description
            let points = try PointStore.list(context.vault, system).compactMap {
                try? $0.point.get()
            }
            return Instance(
                name: name ?? system.hex,
                systemIdentifier: system,
                baseBytes: bytes.baseBytes,
                walBytes: bytes.walBytes,
                metaBytes: bytes.metaBytes,
                totalBytes: bytes.totalBytes,
                points: points.map {
                    Point(
                        id: $0.id,
                        storedBytes: $0.storedBytes,
                        logicalBytes: $0.logicalBytes
                    )
                }
            )
        }
        return UsageReport(
            instances: instances.sorted { $0.name < $1.name },
            vaultBytes: usage.vaultBytes,
            totalBytes: usage.totalBytes,
            objects: usage.objects,
            freeBytes: try context.vault.store.space()?.freeBytes
        )
    }
}
