public import Domain
import Storage

/// What a vault's objects take, counted from one listing.
public struct VaultUsage: Sendable {
    /// Bytes of one instance by what they are for.
    public struct Instance: Sendable {
        /// Packs: pages, maps, catalogs, attachments.
        public var baseBytes: UInt64 = 0
        /// WAL and timeline histories.
        public var walBytes: UInt64 = 0
        /// Roots, markers, leases, claims.
        public var metaBytes: UInt64 = 0
        /// Bytes of the packs each session wrote, committed or not.
        public var packBytes: [PointID: UInt64] = [:]

        /// All bytes.
        public var totalBytes: UInt64 { baseBytes + walBytes + metaBytes }
    }

    /// By instance.
    public private(set) var instances: [SystemIdentifier: Instance] = [:]
    /// Bytes that belong to no instance: `vault.json`, keys, records.
    public private(set) var vaultBytes: UInt64 = 0
    /// Objects.
    public private(set) var objects = 0

    /// All bytes.
    public var totalBytes: UInt64 {
        instances.values.reduce(vaultBytes) { $0 + $1.totalBytes }
    }

    /// Counts what is in `vault` now.
    public init(_ vault: Vault) throws {
        for object in try vault.store.list(prefix: "") {
            objects += 1
            let place = ObjectPlace(object.name)
            guard let system = place.system else {
                vaultBytes += object.size
                continue
            }
            switch place {
            case .pack(_, let id):
                instances[system, default: Instance()].baseBytes += object.size
                instances[system, default: Instance()].packBytes[id.session, default: 0] +=
                    object.size
            case .wal, .history:
                instances[system, default: Instance()].walBytes += object.size
            default:
                instances[system, default: Instance()].metaBytes += object.size
            }
        }
    }
}
