public import Domain
public import Platform
import Storage

/// Drafts that sessions left which did not end.
///
/// A draft is used only when its session has a tombstone that names it and nothing newer has been
/// committed. Pruning keeps the packs of exactly such drafts; it decides that nothing newer exists
/// before it lists the leases, so whoever has put a lease naming the draft's session as its parent,
/// and then finds all of that still true, keeps what the draft names (compare W1 to W3).
public enum DraftStore {
    /// The newest draft that can serve as a parent, its session fenced; nil when there is none.
    public static func usable(
        _ vault: Vault,
        _ system: SystemIdentifier,
        clock: any Clock
    ) throws -> PointReader? {
        let prefix = VaultNames.draftPrefix(system)
        var newest: (session: PointID, number: UInt32)?
        for object in try vault.store.list(prefix: prefix) {
            guard case .draft(_, let session) = ObjectPlace(object.name),
                let number = UInt32(object.name.lastSegment, radix: 16)
            else { continue }
            if let known = newest, (known.session, known.number) > (session, number) { continue }
            newest = (session, number)
        }
        guard let newest else { return nil }
        if let lease = try Lease.read(vault, system, newest.session) {
            guard lease.isDead(now: clock.now), lease.draft == newest.number else { return nil }
            // It can no longer commit, and nobody can put a tombstone that does not name the draft.
            _ = try Commit.fence(
                vault,
                system,
                Tombstone(
                    session: newest.session,
                    at: clock.now,
                    by: newest.session,
                    reason: "resumed by the next backup",
                    draft: newest.number
                )
            )
        }
        guard try isUsable(vault, system, newest.session, newest.number) else { return nil }
        return try PointReader(vault, system, newest.session, draft: newest.number)
    }

    /// True when the draft is there, named by its session's tombstone, and nothing is newer.
    static func isUsable(
        _ vault: Vault,
        _ system: SystemIdentifier,
        _ session: PointID,
        _ number: UInt32
    ) throws -> Bool {
        guard try Commit.tombstone(vault, system, session)?.draft == number else { return false }
        for prefix in [VaultNames.gonePrefix(system), VaultNames.rootPrefix(system)] {
            for object in try vault.store.list(prefix: prefix) {
                guard let id = PointID(object.name.lastSegment), id > session else { continue }
                let isGone = prefix == VaultNames.gonePrefix(system)
                if try isGone || PointStore.isRoot(vault, system, id) { return false }
            }
        }
        return try vault.store.head(VaultNames.draft(system, session, number)) != nil
    }
}
