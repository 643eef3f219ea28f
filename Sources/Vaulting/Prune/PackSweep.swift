import Domain
import Platform
import Storage

/// P7: deletes the packs that are in nobody's table.
///
/// References go only from a point to the one made from it, so a pack that no root and no living
/// session needs can never be needed again.
struct PackSweep {
    private let run: Pruner.Run

    init(_ run: Pruner.Run) { self.run = run }

    /// - Parameters:
    ///   - packs: as listed after the leases and before the roots.
    ///   - gone: the condemned points as listed before the leases.
    func run(
        _ packs: [ObjectInfo],
        _ roots: PresentRoots,
        _ gone: Set<PointID>,
        _ sessions: LivingSessions,
        _ outcome: inout PruneOutcome
    ) throws {
        var verdicts: [PointID: Verdict] = [:]
        for object in packs {
            guard case .pack(_, let pack) = ObjectPlace(object.name) else { continue }
            let owner = pack.session
            if roots.live.contains(pack) || sessions.owns(owner) {
                outcome.packsKept.add(object.size)
                continue
            }
            let isDecided =
                roots.marks.contains(owner) || gone.contains(owner)
                // A dry run has not fenced them.
                || (run.options.isDry && sessions.ended.contains(owner))
            let verdict = try isDecided ? .garbage : verdicts[owner] ?? judge(owner)
            verdicts[owner] = verdict
            switch verdict {
            case .garbage:
                try run.delete(object)
                outcome.packsDropped.add(object.size)
            case .kept: outcome.packsKept.add(object.size)
            case .lostRoot: outcome.packsOfLostRoots.add(object.size)
            }
        }
        for (owner, verdict) in verdicts where verdict == .lostRoot {
            outcome.warnings.append(
                "the root of \(owner) is missing; its packs are kept: run pgkeep vault check"
            )
        }
    }

    private enum Verdict { case garbage, kept, lostRoot }

    /// What to do with packs of a session that had neither root, tombstone nor marker, nor a lease
    /// when leases were listed.
    private func judge(_ owner: PointID) throws -> Verdict {
        let (vault, system) = (run.vault, run.system)
        // It has begun since. Or it has ended since, and others decided about it.
        for name in [
            VaultNames.lease(system, owner), VaultNames.root(system, owner),
            VaultNames.gone(system, owner),
        ] where try vault.store.head(name) != nil { return .kept }
        // No session leaves such packs: what it does not delete keeps its lease. So its root was
        // lost, unless it never came to the end of its packs, where a copy of the root is.
        if try hasRootCopy(owner) { return .lostRoot }
        if run.options.isDry { return .garbage }
        let isVoid = try Fence.put(
            vault,
            system,
            owner,
            draft: nil,
            by: run.id,
            reason: "packs without a lease",
            at: run.clock.now
        )
        // Lost: it has committed just now, or another pruner was faster and goes on with it.
        return isVoid ? .garbage : .kept
    }

    private func hasRootCopy(_ session: PointID) throws -> Bool {
        let prefix = VaultNames.packPrefix(run.system, session: session)
        guard let last = try run.vault.store.list(prefix: prefix).last else { return false }
        do {
            let reader = try SealedObjectReader(
                run.vault,
                last.name,
                kinds: [.pack],
                system: run.system
            )
            return reader.frames.contains { $0.kind == .rootCopy }
        } catch let error as PgkeepError where error.code == .notFound {
            return false
        } catch let error as PgkeepError where error.isDamage {
            return true
        }
    }
}
