import Domain
import Platform
import Storage

/// The one decision of a session: its root or a tombstone gets the name, never both.
enum Commit {
    private static let attempts = 3

    /// Puts the root unless the name is taken; returns only when these very bytes are the object.
    static func decide(_ vault: Vault, _ name: ObjectName, _ bytes: [UInt8]) throws {
        var failure: (any Error)?
        for _ in 0..<attempts {
            do {
                if try vault.store.putIfAbsent(name, bytes) { return }
            } catch {
                // The acknowledgement may be lost: only a look at the name can tell.
                failure = error
            }
            do {
                if try vault.store.get(name) == bytes { return }
                throw PgkeepError(
                    .busy,
                    "this backup was declared dead by another host and cannot be committed",
                    hint: "run the backup again; if it was suspended or cut off, see why"
                )
            } catch let error as PgkeepError where error.code == .notFound {
                continue
            } catch let error as PgkeepError where error.code != .busy {
                failure = failure ?? error
            }
        }
        throw failure
            ?? PgkeepError(
                .storeUnreachable,
                "the vault neither stores nor shows \(name)",
                hint: "check the vault's storage, then run the backup again"
            )
    }

    /// Puts a tombstone in the place of a root that may or may not exist. True: the session is void
    /// for good. False: the root with `bytes` is there.
    static func fence(_ session: BackupSession, unless bytes: [UInt8]) throws -> Bool {
        let name = VaultNames.root(session.systemIdentifier, session.id)
        let stone = Tombstone(
            session: session.id,
            at: session.lease.clock.now,
            by: session.id,
            reason: "abandoned"
        )
        let content = try Sealed.encode(
            session.vault,
            name,
            kind: .tombstone,
            system: session.systemIdentifier,
            frames: [(.info, try ControlJSON.encode(stone))]
        )
        if try session.vault.store.putIfAbsent(name, content) { return true }
        return try session.vault.store.get(name) != bytes
    }
}

/// The JSON of a tombstone or a gone marker.
struct Tombstone: Codable {
    /// The session or point.
    var session: PointID
    /// When, on the writer's clock.
    var at: Timestamp
    /// The session or job that put it.
    var by: PointID
    /// Why, for people.
    var reason: String
    /// The number of a draft that stays needed.
    var draft: UInt32?
}
