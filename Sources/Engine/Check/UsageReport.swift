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

    /// One instance.
    public struct Instance: Sendable, Encodable {
        /// Its name; the system identifier in hexadecimal when no record names it.
        public var name: String
        /// Its cluster.
        public var systemIdentifier: SystemIdentifier
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
        /// All bytes.
        public var totalBytes: UInt64 = 0
        /// Bytes of the files all points together restore.
        public var logicalBytes: UInt64 = 0
        /// Bytes of WAL before it was compressed.
        public var walLogicalBytes: UInt64 = 0
        /// Bytes that backups with a parent, and WAL, add in a day: the mean of the last week.
        public var growthPerDay: UInt64 = 0
        /// What was added day by day, oldest first; at most 31 days.
        public var days: [Day] = []
        /// Its points, oldest first.
        public var points: [Point] = []

        enum CodingKeys: String, CodingKey {
            case name, days, points
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
        let records = try context.vault.instances(clock: context.clock).listReadable()
            .compactMap(\.value)
        let instances = try usage.instances.map { system, objects in
            try InstanceUsage(
                context,
                system,
                record: records.first { $0.systemIdentifier == system },
                objects
            ).report()
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
