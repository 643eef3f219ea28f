public import Domain
import Storage

/// What a vault's objects take, counted from one listing.
public struct VaultUsage: Sendable {
    /// What one instance's objects take, by what they are for.
    public struct Instance: Sendable {
        /// Bytes of each pack: pages, maps, catalogs, attachments.
        public var packs: [PackID: UInt64] = [:]
        /// Bytes of each root or tombstone.
        public var roots: [PointID: UInt64] = [:]
        /// Bytes of WAL objects.
        public var walBytes: UInt64 = 0
        /// Bytes of WAL objects by the day they were written, in days since 1970.
        public var walByDay: [Int64: UInt64] = [:]
        /// Bytes of WAL objects by the hour they were written, in hours since 1970.
        public var walByHour: [Int64: UInt64] = [:]
        /// Whole segments.
        public var walSegments: UInt64 = 0
        /// Bytes of WAL in parts of segments.
        public var walPartBytes: UInt64 = 0
        /// Bytes of timeline histories.
        public var historyBytes: UInt64 = 0
        /// Bytes of roots, markers, leases, claims, drafts.
        public var controlBytes: UInt64 = 0

        /// Nothing yet.
        public init() {}

        /// Bytes of all packs.
        public var packBytes: UInt64 { packs.values.reduce(0, +) }
        /// All bytes.
        public var totalBytes: UInt64 { packBytes + walBytes + historyBytes + controlBytes }
    }

    /// By instance.
    public private(set) var instances: [SystemIdentifier: Instance] = [:]
    /// Bytes that belong to no instance: `vault.json`, keys, records, markers of deleted ones.
    public private(set) var vaultBytes: UInt64 = 0
    /// Objects.
    public private(set) var objects = 0

    /// All bytes.
    public var totalBytes: UInt64 {
        instances.values.reduce(vaultBytes) { $0 + $1.totalBytes }
    }

    /// Counts what is in `vault` now.
    public init(_ vault: Vault) throws {
        let listed = try vault.store.list(prefix: "").map { ($0, ObjectPlace($0.name)) }
        let systems = Set(listed.filter { !$0.1.isMarker }.compactMap(\.1.system))
        for (object, place) in listed {
            objects += 1
            if let system = place.system, systems.contains(system) {
                instances[system, default: Instance()].count(object, place)
            } else {
                vaultBytes += object.size
            }
        }
    }
}

extension VaultUsage.Instance {
    fileprivate mutating func count(_ object: ObjectInfo, _ place: ObjectPlace) {
        switch place {
        case .pack(_, let id): packs[id] = object.size
        case .wal:
            walBytes += object.size
            walByDay[object.modified.day, default: 0] += object.size
            walByHour[object.modified.seconds / 3600, default: 0] += object.size
            switch WALObjectName(object.name)?.form {
            case .sealed: walSegments += 1
            case .part(let length): walPartBytes += UInt64(length)
            case .journal, .alternate, nil: break
            }
        case .history: historyBytes += object.size
        case .root(_, let id):
            roots[id] = object.size
            controlBytes += object.size
        default: controlBytes += object.size
        }
    }
}

extension Timestamp {
    /// Whole days since 1970-01-01, UTC.
    public var day: Int64 { (seconds - (seconds % 86400 + 86400) % 86400) / 86400 }
}
