import Domain
import Storage

/// Drafts of roots: what backups that did not end have stored, so that the next one need not.
///
/// A draft counts while a tombstone or lease names it and no newer point exists, condemned ones
/// included: once that is so it stays so. What is superseded is therefore decided before the leases
/// are listed, like condemned markers (P2), and a session that builds on a draft looks again after
/// its lease is put, like at a parent's marker (W3).
struct Drafts {
    private let run: Pruner.Run
    private let objects: [(object: ObjectInfo, session: PointID, number: UInt32)]
    private let newest: PointID?

    init(_ run: Pruner.Run, _ gone: Set<PointID>) throws {
        self.run = run
        let prefix = VaultNames.draftPrefix(run.system)
        objects = try run.vault.store.list(prefix: prefix).compactMap { object in
            guard case .draft(_, let session) = ObjectPlace(object.name),
                let number = UInt32(object.name.lastSegment, radix: 16)
            else { return nil }
            return (object, session, number)
        }
        newest = objects.isEmpty ? nil : try Self.newest(run, gone)
    }

    private static func newest(_ run: Pruner.Run, _ gone: Set<PointID>) throws -> PointID? {
        let roots = try PresentRoots(run.vault, run.system, token: run.token)
        return (Array(gone) + roots.points.keys + roots.damaged.keys).max()
    }

    /// Removes drafts that do not count; returns the packs of those that do.
    ///
    /// The draft goes before its packs, so that nobody finds a draft whose packs are gone.
    func sweep(_ sessions: LivingSessions, _ outcome: inout PruneOutcome) throws -> Set<PackID> {
        var live: Set<PackID> = []
        for (object, session, number) in objects {
            let isPinned = sessions.pin(of: session) != nil || sessions.owns(session)
            if try isPinned || counts(session, number) {
                if let packs = try packs(object.name, &outcome) {
                    live.formUnion(packs)
                    continue
                }
            }
            try run.delete(object)
            outcome.garbage.add(object.size)
        }
        return live
    }

    /// True when the session's tombstone names this draft and no newer point exists.
    private func counts(_ session: PointID, _ number: UInt32) throws -> Bool {
        if let newest, newest > session { return false }
        let name = VaultNames.root(run.system, session)
        guard try run.vault.store.head(name) != nil else {
            // A session that began after the leases were listed, or one fenced in a dry run.
            return try run.vault.store.head(VaultNames.lease(run.system, session)) != nil
        }
        do {
            return try Commit.tombstone(run.vault, run.system, session)?.draft == number
        } catch let error as PgkeepError
            where error.code == .notFound || error.code == .integrity
        {
            return false
        }
    }

    /// The packs a draft needs; nil when it is of no use.
    private func packs(_ name: ObjectName, _ outcome: inout PruneOutcome) throws -> [PackID]? {
        do {
            let frames = try Sealed.decode(
                run.vault,
                name,
                kinds: [.draft],
                system: run.system,
                bytes: try run.vault.store.get(name)
            ).frames
            return try RootCodec.decode(frames, "the draft \(name)").packs.map(\.info.id)
        } catch let error as PgkeepError where error.code == .notFound {
            return []
        } catch let error as PgkeepError where error.code == .integrity {
            outcome.warnings.append(error.description)
            return nil
        }
    }
}
