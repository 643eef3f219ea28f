public import Domain
import Logging
import Platform
import Storage
public import Vaulting

/// Deletes for good what has been in the trash long enough: the last step of an instance's life,
/// which every pruning takes.
///
/// From the mark in the record on there is no way back. Points are condemned before anything is
/// deleted, living sessions are waited for, and the record goes last, so that a run that was killed
/// is gone on with by the next one, on whatever host.
public struct TrashPurge {
    /// What became of one instance.
    public struct Report: Sendable, Encodable {
        /// What became of it.
        public enum Fate: String, Sendable, Encodable {
            /// Nothing is left of it.
            case purged
            /// Its last backup is left.
            case keptFinalPoint = "kept-final-point"
            /// It has to wait; the reason says for what.
            case waiting
            /// It would be purged now; a dry run does nothing.
            case due
        }

        /// Which one.
        public var instance: InstanceName
        /// Its cluster.
        public var systemIdentifier: SystemIdentifier
        /// What became of it.
        public var fate: Fate
        /// Bytes let go; those there are in a dry run.
        public var bytes: UInt64
        /// Why.
        public var reason: String

        enum CodingKeys: String, CodingKey {
            case instance, fate, bytes, reason
            case systemIdentifier = "system_identifier"
        }
    }

    private let context: JobContext
    private let now: Timestamp

    /// Purges every instance that is due.
    ///
    /// - Parameters:
    ///   - now: the moment it is; whoever does not trust a clock passes an earlier one.
    ///   - isDry: only say what is due.
    ///   - instance: look at this one only.
    public static func run(
        _ context: JobContext,
        _ now: Timestamp,
        isDry: Bool = false,
        instance: InstanceRecord? = nil
    ) throws -> [Report] {
        let purge = TrashPurge(context: context, now: now)
        return try Instances.readable(context).records.filter { record in
            purge.isDue(record) && instance.map { $0.name == record.name } ?? true
        }.compactMap { record -> Report? in
            do {
                return try isDry ? purge.announce(record) : purge.purge(record)
            } catch let error as PgkeepError
                where [.integrity, .refused, .busy].contains(error.code)
            {
                return purge.report(record, .waiting, 0, error.message)
            } catch let error as PgkeepError where error.code == .notFound {
                // Another pruner has just brought it to its end.
                return nil
            }
        }
    }

    private func isDue(_ record: InstanceRecord) -> Bool {
        if let trash = record.trash {
            return record.state == .deleted && (trash.purgingSince != nil || trash.purgeAt <= now)
        }
        return record.finalPoint != nil && record.finalUntil.map { $0 <= now } ?? false
    }

    private func announce(_ record: InstanceRecord) throws -> Report {
        try Guards.check(context, record, .purge)
        let usage = try VaultUsage(context.vault).instances[record.systemIdentifier]
        return report(record, .due, usage?.totalBytes ?? 0, "its time in the trash is over")
    }

    private func purge(_ record: InstanceRecord) throws -> Report {
        let marked = try mark(record)
        let system = marked.systemIdentifier
        let final = try finalPoint(marked)
        let purge = InstancePurge(
            context.vault,
            system,
            clock: context.clock,
            token: context.token
        )
        try purge.condemn(keeping: final, reason: "instance \(marked.name) was deleted")
        let outcome = try sweep(marked)
        if let final {
            try keepFinal(marked, final)
            let until = marked.trash?.keepUntil.map { "until \($0)" } ?? "for ever"
            let text = "its last backup \(final) is kept \(until)"
            return report(marked, .keptFinalPoint, outcome.droppedBytes, text)
        }
        let living = outcome.sessions.filter { !$0.isDead }
        guard living.isEmpty, let rest = try purge.deleteRemains() else {
            let who = living.first.map { "\($0.kind?.noun ?? "a session") on \($0.host)" }
            let text = "waits for \(who ?? "a session that has just begun") to end"
            return report(marked, .waiting, outcome.droppedBytes, text)
        }
        try forget(marked)
        context.log.notice("instance deleted for good", metadata: ["instance": "\(marked.name)"])
        return report(marked, .purged, outcome.droppedBytes + rest, "its time in the trash is over")
    }

    /// Writes down that there is no way back; whoever takes it out of the trash has been faster, or
    /// is refused from now on.
    private func mark(_ record: InstanceRecord) throws -> InstanceRecord {
        let stored = try context.vault.instances(clock: context.clock)
            .change(record.name.description) { record in
                guard isDue(record) else {
                    throw PgkeepError(.busy, "somebody has just taken it out of the trash")
                }
                try Guards.check(context, record, .purge)
                if record.state != .deleted {
                    record.trash = InstanceRecord.Trash(
                        deletedAt: record.stoppedAt ?? now,
                        purgeAt: record.finalUntil ?? now,
                        reason: record.stopReason ?? .other,
                        comment: "its last backup was kept until \(record.finalUntil ?? now)",
                        by: ActivityLog.actor,
                        formerState: record.state
                    )
                    record.state = .deleted
                    record.finalPoint = nil
                    record.finalUntil = nil
                }
                if record.trash?.purgingSince == nil { record.trash?.purgingSince = now }
            }
        guard let marked = stored.value else { throw Lifecycle.vanished(record.name) }
        return marked
    }

    /// The point that outlives the purge, if it is there and its own time is not over.
    private func finalPoint(_ record: InstanceRecord) throws -> PointID? {
        guard let trash = record.trash, let final = trash.finalPoint,
            trash.keepUntil.map({ $0 > now }) ?? true,
            try PointStore.isVisible(context.vault, record.systemIdentifier, final)
        else { return nil }
        return final
    }

    private func keepFinal(_ record: InstanceRecord, _ final: PointID) throws {
        try context.vault.instances(clock: context.clock).change(record.name.description) {
            record in
            guard let trash = record.trash else { return }
            record.finalPoint = final
            record.finalUntil = trash.keepUntil
            record.state = .stoppedForever
            record.trash = nil
        }
        try log(record, ["final_point": final.description])
    }

    private func sweep(_ record: InstanceRecord) throws -> PruneOutcome {
        var options = Pruner.Options()
        options.segmentSize = record.segmentSize
        let meter = context.meter
        let pruner = Pruner(
            context.vault,
            record.systemIdentifier,
            options: options,
            clock: context.clock,
            token: context.token
        ) { meter.add($0) }
        let traces = PrunedWAL(context, record.systemIdentifier)
        pruner.onEnded = traces.keepMarks
        pruner.onDroppingWAL = traces.record
        return try pruner.prune()
    }

    /// The records that speak of it, its own last.
    private func forget(_ record: InstanceRecord) throws {
        let hex = record.systemIdentifier.hex
        for kind in [
            "wal-loss", "wal-mark", "wal-evidence", "scrub", "damage", "proof", "server-stopped",
            LettingGo.kind,
        ] {
            let store = RecordStore<AnyRecord>(context.vault, kind: kind, clock: context.clock)
            for stored in try store.listReadable()
            where stored.id == hex || stored.id.hasPrefix(hex + "-") {
                try store.remove(stored)
            }
        }
        try Drills.forget(context, record.systemIdentifier)
        try log(record, [:])
        let store = context.vault.instances(clock: context.clock)
        // Another pruner may have been faster, and the name may be in use again.
        guard let stored = try store.read(record.name.description), let found = stored.value,
            found.systemIdentifier == record.systemIdentifier, found.trash?.purgingSince != nil
        else { return }
        try store.remove(stored)
    }

    private func log(_ record: InstanceRecord, _ details: [String: String]) throws {
        try ActivityLog(context.vault, context.clock).append(
            action: "instance.purge",
            instance: record.name,
            details: details.merging(
                ["system_identifier": record.systemIdentifier.description]
            ) { $1 },
            reason: record.trash?.reason.rawValue
        )
    }

    private func report(
        _ record: InstanceRecord,
        _ fate: Report.Fate,
        _ bytes: UInt64,
        _ reason: String
    ) -> Report {
        Report(
            instance: record.name,
            systemIdentifier: record.systemIdentifier,
            fate: fate,
            bytes: bytes,
            reason: reason
        )
    }
}

/// A record whose content does not matter.
private struct AnyRecord: Codable, Sendable {}
