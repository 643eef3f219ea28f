public import Domain
public import Platform
import Storage

/// Condemned markers: a point that has one is invisible from then on and for ever. The marker stays
/// when the point's objects are gone, so that a commit that sleeps for months cannot bring it back.
public enum GoneMarker {
    /// Condemns a point. Durable on return, also on a full disk; pruning frees its space.
    ///
    /// True: it is condemned now. False: it was already.
    @discardableResult
    public static func put(
        _ vault: Vault,
        _ system: SystemIdentifier,
        _ point: PointID,
        reason: String,
        clock: any Clock = SystemClock()
    ) throws -> Bool {
        let name = VaultNames.gone(system, point)
        let now = clock.now
        let marker = Tombstone(
            session: point,
            at: now,
            by: PointID(time: now, random: (Vault.randomWord(), Vault.randomWord())),
            reason: reason
        )
        let bytes = try Sealed.encode(
            vault,
            name,
            kind: .gone,
            system: system,
            frames: [(.info, try ControlJSON.encode(marker))]
        )
        return try vault.store.putIfAbsentAnyway(name, bytes)
    }

    /// The condemned points of an instance.
    static func list(_ vault: Vault, _ system: SystemIdentifier) throws -> Set<PointID> {
        let prefix = VaultNames.gonePrefix(system)
        return Set(
            try vault.store.list(prefix: prefix).compactMap {
                PointID($0.name.text.dropFirst(prefix.utf8.count))
            }
        )
    }
}

/// Tombstones: in a root's place, they decide that a session never commits.
enum Fence {
    /// Puts a session's tombstone. True: the session is void for good. False: its root or a
    /// tombstone was there before.
    static func put(
        _ vault: Vault,
        _ system: SystemIdentifier,
        _ session: PointID,
        draft: UInt32?,
        by pruner: PointID,
        reason: String,
        at now: Timestamp
    ) throws -> Bool {
        let name = VaultNames.root(system, session)
        let stone = Tombstone(
            session: session,
            at: now,
            by: pruner,
            reason: reason,
            draft: draft
        )
        let bytes = try Sealed.encode(
            vault,
            name,
            kind: .tombstone,
            system: system,
            frames: [(.info, try ControlJSON.encode(stone))]
        )
        return try vault.store.putIfAbsentAnyway(name, bytes)
    }
}

extension ObjectStore {
    /// `putIfAbsent` for the small objects that let space be freed: on a full disk the reserve is
    /// given up for them.
    func putIfAbsentAnyway(_ name: ObjectName, _ bytes: [UInt8]) throws -> Bool {
        do {
            return try putIfAbsent(name, bytes)
        } catch let error as PgkeepError where error.code == .storeFull {
            guard try releaseReserve() else { throw error }
            return try putIfAbsent(name, bytes)
        }
    }
}
