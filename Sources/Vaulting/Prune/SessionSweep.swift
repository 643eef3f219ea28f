import Domain
import Platform
import Storage

/// The sessions that live, and what they pin.
struct LivingSessions {
    var records: [LeaseRecord] = []
    /// All sessions whose leases were listed, the dead ones too.
    var known: Set<PointID> = []
    /// Those of them that count as dead.
    var ended: Set<PointID> = []

    /// Why a condemned point must stay; nil when no living session reads it.
    func pin(of point: PointID) -> LeaseRecord.Kind? {
        records.first { $0.parent == point || $0.pinsAll }?.kind
    }

    /// True when the packs this session wrote are its own business.
    func owns(_ session: PointID) -> Bool { records.contains { $0.session == session } }

    /// Positions from which on WAL is needed; nil when a session may need any of it.
    var walFloors: [LSN]? {
        guard !records.contains(where: \.pinsWAL) else { return nil }
        return records.compactMap(\.walFloor)
    }

    /// The timelines being streamed; nil when a stream has not told yet.
    var streamedTimelines: Set<TimelineID>? {
        var found: Set<TimelineID> = []
        for record in records where record.kind == .stream {
            guard let status = record.status(as: StreamStatus.self) else { return nil }
            found.insert(status.timeline)
        }
        return found
    }
}

extension LeaseRecord {
    /// A reader that names no point reads all of them.
    var pinsAll: Bool { parent == nil && (kind == .check || kind == .restore) }

    /// A backup that has not told yet where its WAL begins may need any.
    var pinsWAL: Bool { pinsAll || (kind == .backup && walFloor == nil) }
}

/// P3: tells living sessions from dead ones, and makes sure that the dead stay dead.
struct SessionSweep {
    private let run: Pruner.Run

    private let isFencing: Bool

    /// - Parameter isFencing: false to take all sessions for living.
    init(_ run: Pruner.Run, isFencing: Bool) {
        self.run = run
        self.isFencing = isFencing
    }

    /// Looks at all leases. A backup that counts as dead is fenced before its lease is removed:
    /// should it live after all, it cannot commit any more, so that what is deleted from now on
    /// harms no point. Other sessions never commit.
    func run(
        _ outcome: inout PruneOutcome,
        _ onEnded: (LeaseRecord) throws -> Void
    ) throws -> LivingSessions {
        var living = LivingSessions()
        let prefix = VaultNames.leasePrefix(run.system)
        for object in try run.vault.store.list(prefix: prefix) {
            guard let session = PointID(object.name.text.dropFirst(prefix.utf8.count)) else {
                continue
            }
            let record: LeaseRecord?
            do {
                record = try Lease.read(run.vault, run.system, session)
                if record == nil { continue }
            } catch let error as PgkeepError where error.code == .integrity {
                // Whoever it is puts it again in a moment, if it lives.
                record = nil
                outcome.warnings.append(error.description)
            }
            living.known.insert(session)
            let isDead = isFencing && record.map(self.isDead) ?? true
            outcome.sessions.append(
                PruneOutcome.Session(
                    id: session,
                    kind: record?.kind,
                    host: record?.holder.host ?? "",
                    beatAt: record?.beatAt,
                    isDead: isDead
                )
            )
            guard isDead else {
                if let record { living.records.append(record) }
                continue
            }
            living.ended.insert(session)
            try end(session, record, onEnded)
            try run.delete(object)
            outcome.garbage.add(object.size)
        }
        return living
    }

    private func isDead(_ record: LeaseRecord) -> Bool {
        record.isDead(
            now: run.clock.now,
            observer: run.observer,
            silence: run.options.silenceSeconds
        )
    }

    private func end(
        _ session: PointID,
        _ record: LeaseRecord?,
        _ onEnded: (LeaseRecord) throws -> Void
    ) throws {
        guard !run.options.isDry else { return }
        if let record { try onEnded(record) }
        guard record == nil || record?.kind == .backup else { return }
        _ = try Fence.put(
            run.vault,
            run.system,
            session,
            draft: record?.draft,
            by: run.id,
            reason: record.map { "no sign of life since \($0.beatAt)" } ?? "its lease is damaged",
            at: run.clock.now
        )
    }
}
