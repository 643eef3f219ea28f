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
    static func fence(
        _ session: BackupSession,
        unless bytes: [UInt8],
        draft: UInt32? = nil
    ) throws -> Bool {
        let stone = Tombstone(
            session: session.id,
            at: session.lease.clock.now,
            by: session.id,
            reason: "abandoned",
            draft: draft
        )
        if try fence(session.vault, session.systemIdentifier, stone) { return true }
        let name = VaultNames.root(session.systemIdentifier, session.id)
        return try session.vault.store.get(name) != bytes
    }

    /// Puts a tombstone unless there is a root or another tombstone; true when it was put.
    static func fence(
        _ vault: Vault,
        _ system: SystemIdentifier,
        _ stone: Tombstone
    ) throws -> Bool {
        let name = VaultNames.root(system, stone.session)
        let content = try Sealed.encode(
            vault,
            name,
            kind: .tombstone,
            system: system,
            frames: [(.info, try ControlJSON.encode(stone))]
        )
        return try vault.store.putIfAbsent(name, content)
    }

    /// The tombstone of a session; nil when there is none, or a root.
    static func tombstone(
        _ vault: Vault,
        _ system: SystemIdentifier,
        _ session: PointID
    ) throws -> Tombstone? {
        let name = VaultNames.root(system, session)
        guard try vault.store.head(name) != nil else { return nil }
        let (kind, frames) = try Sealed.decode(
            vault,
            name,
            kinds: [.root, .tombstone],
            system: system,
            bytes: try vault.store.get(name)
        )
        guard kind == .tombstone, let info = frames.first else { return nil }
        return try ControlJSON.decode(Tombstone.self, info.bytes, "the tombstone \(name)")
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
