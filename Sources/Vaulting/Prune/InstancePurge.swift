public import Domain
public import Platform
import Storage

/// Deletes all there is of one instance for good, or all but one point.
///
/// Between its two steps the instance is pruned, which fences dead sessions and waits for living
/// ones. What stays for ever are condemned markers and the last generation of each claim, so that
/// no session that wakes up after months brings a point back or takes a role twice. Safe on any
/// number of hosts at once, and when killed anywhere: both steps may be repeated.
public struct InstancePurge {
    private let vault: Vault
    private let system: SystemIdentifier
    private let clock: any Clock
    private let token: CancellationToken

    /// The purge of an instance that nobody protects any more.
    public init(
        _ vault: Vault,
        _ system: SystemIdentifier,
        clock: any Clock = SystemClock(),
        token: CancellationToken = CancellationToken()
    ) {
        self.vault = vault
        self.system = system
        self.clock = clock
        self.token = token
    }

    /// First step: condemns all points but one, and every session that has left anything, so that
    /// the tombstones can go, too. Durable on return.
    public func condemn(keeping kept: PointID? = nil, reason: String) throws {
        let prefixes = [
            VaultNames.rootPrefix(system), VaultNames.packPrefix(system),
            VaultNames.draftPrefix(system),
        ]
        var sessions: Set<PointID> = []
        for object in try prefixes.flatMap({ try vault.store.list(prefix: $0) }) {
            switch ObjectPlace(object.name) {
            case .root(_, let id), .draft(_, let id): sessions.insert(id)
            case .pack(_, let pack): sessions.insert(pack.session)
            default: break
            }
        }
        // Packs it shares with others stay with it: its root names them.
        if let kept { sessions.remove(kept) }
        for session in sessions.subtracting(try GoneMarker.list(vault, system)).sorted() {
            try token.check()
            try GoneMarker.put(vault, system, session, reason: reason, clock: clock)
        }
    }

    /// Second step, after pruning: deletes what that has left. Returns the bytes let go; nil,
    /// having deleted nothing, when a session has a lease.
    public func deleteRemains() throws -> UInt64? {
        guard try vault.store.list(prefix: VaultNames.leasePrefix(system)).isEmpty else {
            return nil
        }
        let objects = try vault.store.list(prefix: VaultNames.prefix(system))
        var bytes: UInt64 = 0
        // Roots before the packs they need, like everywhere.
        for order in 0...1 {
            for object in objects where Self.order(object.name) == order {
                try token.check()
                try vault.store.delete(object.name)
                bytes += object.size
            }
        }
        return bytes
    }

    /// Nil for what stays.
    private static func order(_ name: ObjectName) -> Int? {
        switch ObjectPlace(name) {
        case .gone, .claim, .lease: nil
        case .root: 0
        default: 1
        }
    }
}
