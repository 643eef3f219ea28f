public import Domain
import Storage
import Vaulting

/// What a vault takes, by instance, by what it is for, and by recovery point.
///
/// Read from one listing and the points' roots; no data is read.
public struct UsageReport: Sendable, Encodable {
    /// One recovery point.
    public struct Point: Sendable, Encodable {
        /// Its id.
        public var id: PointID
        /// When it was committed.
        public var finishedAt: Timestamp
        /// Bytes of the files it restores.
        public var logicalBytes: UInt64
        /// Bytes it added to the vault when it was made.
        public var storedBytes: UInt64
        /// Bytes nothing but this point needs: what deleting it alone would free.
        public var ownBytes: UInt64

        enum CodingKeys: String, CodingKey {
            case id
            case finishedAt = "finished_at"
            case logicalBytes = "logical_bytes"
            case storedBytes = "stored_bytes"
            case ownBytes = "own_bytes"
        }
    }

    /// What was added on one day.
    public struct Day: Sendable, Encodable {
        /// The day, UTC: `2026-01-31`.
        public var day: String
        /// Bytes of backups.
        public var baseBytes: UInt64
        /// Bytes of WAL that are still there.
        public var walBytes: UInt64

        enum CodingKeys: String, CodingKey {
            case day
            case baseBytes = "base_bytes"
            case walBytes = "wal_bytes"
        }
    }

    /// WAL that was stored in one hour.
    public struct Hour: Sendable, Encodable {
        /// The hour it begins, UTC.
        public var hour: Timestamp
        /// Bytes of WAL that are still there.
        public var walBytes: UInt64

        enum CodingKeys: String, CodingKey {
            case hour
            case walBytes = "wal_bytes"
        }
    }

    /// One instance.
    public struct Instance: Sendable, Encodable {
        /// Its name; the system identifier in hexadecimal when no record names it.
        public var name: String
        /// Its cluster.
        public var systemIdentifier: SystemIdentifier
        /// Whether it is still protected; nil when no record names it any more. What a stopped
        /// instance left in the vault is counted like all else.
        public var state: String?
        /// True when its server is gone for good and only the vault's part is left.
        public var deprovisioned = false
        /// Bytes of backups: all packs.
        public var baseBytes: UInt64 = 0
        /// Bytes of pages in packs that a point needs.
        public var pageBytes: UInt64 = 0
        /// Bytes of maps, catalogs and captured files in packs that a point needs.
        public var mapBytes: UInt64 = 0
        /// Bytes of packs no point needs: of running backups, or for vault prune to collect.
        public var unreferencedBytes: UInt64 = 0
        /// Bytes of WAL.
        public var walBytes: UInt64 = 0
        /// Bytes of timeline histories.
        public var historyBytes: UInt64 = 0
        /// Bytes of roots, leases, markers.
        public var controlBytes: UInt64 = 0
        /// Bytes of what is neither backup nor WAL: histories, roots, leases, markers.
        public var metaBytes: UInt64 = 0
        /// All bytes: backups, WAL and meta.
        public var totalBytes: UInt64 = 0
        /// Bytes of the files all points together restore.
        public var logicalBytes: UInt64 = 0
        /// Bytes of WAL before it was compressed.
        public var walLogicalBytes: UInt64 = 0
        /// Bytes that backups with a parent, and WAL, add in a day: the mean of the last week.
        public var growthPerDay: UInt64 = 0
        /// Bytes of them that backups add.
        public var backupGrowthPerDay: UInt64 = 0
        /// Bytes of the files the newest point restores: the source's size.
        public var sourceBytes: UInt64 = 0
        /// Bytes of the packs the newest point needs, those shared with others included.
        public var newestPointBytes: UInt64 = 0
        /// How much it may take before somebody is told.
        public var quota = StorageQuota.standard
        /// What lies beyond the quota, and what that costs.
        public var cost = StorageCost(usedBytes: 0, quotaBytes: 0)
        /// What was added day by day, oldest first; at most 31 days.
        public var days: [Day] = []
        /// WAL hour by hour, oldest first; hours of the last two days that have any.
        public var hours: [Hour] = []
        /// Its points, oldest first.
        public var points: [Point] = []

        enum CodingKeys: String, CodingKey {
            case name, state, deprovisioned, days, hours, points, quota, cost
            case baseBytes = "base_bytes"
            case metaBytes = "meta_bytes"
            case sourceBytes = "source_bytes"
            case newestPointBytes = "newest_point_bytes"
            case systemIdentifier = "system_identifier"
            case pageBytes = "page_bytes"
            case mapBytes = "map_bytes"
            case unreferencedBytes = "unreferenced_bytes"
            case walBytes = "wal_bytes"
            case historyBytes = "history_bytes"
            case controlBytes = "control_bytes"
            case totalBytes = "total_bytes"
            case logicalBytes = "logical_bytes"
            case walLogicalBytes = "wal_logical_bytes"
            case growthPerDay = "growth_per_day"
            case backupGrowthPerDay = "backup_growth_per_day"
        }
    }

    /// By name.
    public var instances: [Instance]
    /// Bytes of all backups.
    public var baseBytes: UInt64
    /// Bytes of all WAL.
    public var walBytes: UInt64
    /// Bytes of all else: the vault's own records and keys, and what instances have of that kind.
    public var metaBytes: UInt64
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
        case baseBytes = "base_bytes"
        case walBytes = "wal_bytes"
        case metaBytes = "meta_bytes"
        case vaultBytes = "vault_bytes"
        case totalBytes = "total_bytes"
        case freeBytes = "free_bytes"
    }

    /// Counts what is in the vault now.
    ///
    /// - Parameter price: of a GiB beyond an instance's quota for a month.
    public static func read(_ context: JobContext, price: Double? = nil) throws -> UsageReport {
        let usage = try VaultUsage(context.vault)
        let records = try context.vault.instances(clock: context.clock).listReadable()
            .compactMap(\.value)
        let quotas = try Quota.list(context)
        let instances = try usage.instances.map { system, objects in
            var instance = try InstanceUsage(
                context,
                system,
                record: records.first { $0.systemIdentifier == system },
                objects
            ).report()
            instance.quota = quotas[system] ?? .standard
            instance.cost = StorageCost(
                usedBytes: instance.totalBytes,
                quotaBytes: instance.quota.bytes(ofSource: instance.sourceBytes),
                price: price
            )
            return instance
        }
        let sum = { (part: KeyPath<Instance, UInt64>) in
            instances.reduce(0) { $0 + $1[keyPath: part] }
        }
        return UsageReport(
            instances: instances.sorted { $0.name < $1.name },
            baseBytes: sum(\.baseBytes),
            walBytes: sum(\.walBytes),
            metaBytes: sum(\.metaBytes) + usage.vaultBytes,
            vaultBytes: usage.vaultBytes,
            totalBytes: usage.totalBytes,
            objects: usage.objects,
            freeBytes: try context.vault.store.space()?.freeBytes
        )
    }
}
