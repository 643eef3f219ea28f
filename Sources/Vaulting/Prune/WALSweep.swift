import Domain
import Platform
import Storage

/// Deletes the WAL no point and no session can need, oldest first, and journals others supersede.
///
/// The WAL was listed before the leases, those before the roots. A backup that begins after the
/// leases were listed starts behind the WAL listed, since the server had written that; one that
/// began before has told from where on it needs WAL, or keeps all of it. Only a standby's backup
/// may start further back, at its last restart point: that is why new backups stop this sweep, and
/// why such a backup looks for its WAL once more at its end.
struct WALSweep {
    /// Objects deleted between two looks for new backups.
    private static let deletesBetweenLooks = 16

    private let run: Pruner.Run

    init(_ run: Pruner.Run) { self.run = run }

    /// One segment's objects with one fate.
    private struct Item {
        var segment: WALSegment
        var reason: WALRetention.Reason?
        var objects: [ObjectInfo]
    }

    func run(
        _ listed: [ObjectInfo],
        _ roots: PresentRoots,
        _ sessions: LivingSessions,
        _ outcome: inout PruneOutcome,
        _ onDropping: ([PruneOutcome.WALStretch]) throws -> Void
    ) throws {
        let points = roots.points.values.sorted { $0.id < $1.id }.map { point in
            var point = point
            if run.options.damaged.contains(point.id) { point.state = .damaged }
            return point
        }
        guard !listed.isEmpty,
            let size = points.last?.segmentSize ?? run.options.segmentSize
        else { return }
        let archive = WALArchive(run.vault, run.system, segmentSize: size, listed: listed)
        let rule = WALRetention(
            points: points,
            timelines: TimelineTree(
                try TimelineArchive(run.vault, run.system).readableHistories().values
            ),
            floors: sessions.walFloors ?? [.zero],
            live: sessions.streamedTimelines ?? Set(archive.timelines),
            since: run.options.since,
            moments: run.options.moments
        )
        var items = try archive.segments.flatMap { try plan($0, archive, rule, sessions) }
        let isDropping = items.contains { $0.reason == nil }
        if isDropping, !run.options.isDry { try onDropping(Self.stretches(items)) }
        try drop(&items, sessions, &outcome)
        outcome.wal = Self.stretches(items)
        if isDropping, !run.options.isDry { try onDropping(outcome.wal) }
        for item in items where item.reason != nil {
            try settle(item.segment, archive, &outcome)
        }
    }

    // MARK: - Horizon

    private func plan(
        _ segment: WALSegment,
        _ archive: WALArchive,
        _ rule: WALRetention,
        _ sessions: LivingSessions
    ) throws -> [Item] {
        let reason = rule.reason(for: segment)
        var items: [WALRetention.Reason?: Item] = [:]
        for entry in archive.entries(of: segment) {
            var fate = reason
            if entry.name.isAlternate {
                fate = .contradiction
            } else if fate == nil, try isBeingWritten(entry, sessions) {
                fate = .session
            }
            let object = ObjectInfo(
                name: entry.name.object,
                size: entry.size,
                modified: entry.modified
            )
            items[fate, default: Item(segment: segment, reason: fate, objects: [])]
                .objects.append(object)
        }
        return items.values.sorted { ($0.reason == nil ? 0 : 1) < ($1.reason == nil ? 0 : 1) }
    }

    /// True for the journal of a living session, which is never taken away.
    private func isBeingWritten(
        _ entry: WALArchive.Entry,
        _ sessions: LivingSessions
    ) throws -> Bool {
        guard case .journal = entry.name.form else { return false }
        do {
            let reader = try WALObjectReader(run.vault, entry.name, size: entry.size)
            guard let head = reader.head else { return !sessions.records.isEmpty }
            return sessions.owns(head.writer)
        } catch let error as PgkeepError
            where error.code == .notFound || error.code == .integrity
        {
            return false
        }
    }

    private func drop(
        _ items: inout [Item],
        _ sessions: LivingSessions,
        _ outcome: inout PruneOutcome
    ) throws {
        var deletes = 0
        for index in items.indices where items[index].reason == nil {
            for object in items[index].objects {
                if !run.options.isDry, deletes % Self.deletesBetweenLooks == 0,
                    try hasNewBackup(sessions)
                {
                    for rest in index..<items.endIndex where items[rest].reason == nil {
                        items[rest].reason = .session
                    }
                    outcome.warnings.append(
                        "a backup began meanwhile; the rest of the WAL waits for the next run"
                    )
                    return
                }
                try run.delete(object)
                deletes += 1
            }
        }
    }

    private func hasNewBackup(_ sessions: LivingSessions) throws -> Bool {
        let prefix = VaultNames.leasePrefix(run.system)
        for object in try run.vault.store.list(prefix: prefix) {
            guard let session = PointID(object.name.text.dropFirst(prefix.utf8.count)),
                !sessions.known.contains(session)
            else { continue }
            if try Lease.read(run.vault, run.system, session)?.kind == .backup { return true }
        }
        return false
    }

    private static func stretches(_ items: [Item]) -> [PruneOutcome.WALStretch] {
        var stretches: [PruneOutcome.WALStretch] = []
        for item in items {
            let last = stretches.lastIndex {
                $0.timeline == item.segment.timeline && $0.reason == item.reason
                    && $0.end >= item.segment.start
            }
            let index = last ?? stretches.endIndex
            if last == nil {
                stretches.append(
                    PruneOutcome.WALStretch(
                        timeline: item.segment.timeline,
                        start: item.segment.start,
                        end: item.segment.end,
                        reason: item.reason,
                        objects: PruneOutcome.Tally()
                    )
                )
            }
            stretches[index].end = max(stretches[index].end, item.segment.end)
            for object in item.objects { stretches[index].objects.add(object.size) }
        }
        return stretches
    }

    // MARK: - Journals

    /// Removes what ended sessions left of a segment that is archived whole, once it is seen to be
    /// the same; what differs is kept aside.
    private func settle(
        _ segment: WALSegment,
        _ archive: WALArchive,
        _ outcome: inout PruneOutcome
    ) throws {
        guard let whole = archive.sealed(segment) else { return }
        for entry in archive.leftovers(of: segment) {
            try run.token.check()
            let leftover = try WALLeftover(
                run.vault,
                entry,
                successor: run.id,
                clock: run.clock
            )
            guard let leftover else { continue }
            if run.options.isDry {
                outcome.garbage.add(entry.size)
                continue
            }
            do {
                let alarm = try leftover.settle(run.vault, segment) {
                    try WALObjectReader(run.vault, whole.name, size: whole.size)
                }
                if let alarm {
                    outcome.warnings.append(alarm.error.message)
                } else {
                    run.onBytes(entry.size)
                    outcome.garbage.add(entry.size)
                }
            } catch let error as PgkeepError
                where error.code == .storeFull || error.code == .integrity
            {
                outcome.warnings.append(error.description)
            }
        }
    }
}
