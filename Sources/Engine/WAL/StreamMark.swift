import Domain
import Logging
import Platform
import Vaulting

/// How far streams have told the server that WAL is safe. What is not there up to here was lost
/// from the vault: the last object of an archive is missed by no other.
struct StreamMark: Codable, Sendable {
    /// The timeline.
    var timeline: TimelineID
    /// End of what was durable.
    var lsn: LSN

    private static func store(_ context: JobContext) -> RecordStore<StreamMark> {
        RecordStore(context.vault, kind: "wal-mark", clock: context.clock)
    }

    /// Where a stream stands; nil before anything was durable.
    init?(_ status: StreamStatus) {
        guard status.durableLSN > .zero else { return nil }
        timeline = status.timeline
        lsn = status.durableLSN
    }

    /// Keeps this as the mark of the cluster's last stream.
    func keep(_ context: JobContext, _ system: SystemIdentifier) throws {
        let store = Self.store(context)
        do {
            if let old = try store.read(system.hex) {
                try store.update(old, to: self)
            } else {
                try store.create(system.hex, self)
            }
        } catch let error as PgkeepError where error.isDamage {
            // The stream did its work; a check of the vault tells of the damaged record.
            context.log.error("mark not kept", metadata: ["reason": "\(error)"])
        }
    }

    /// Keeps this unless another stream is known to have come further.
    func keepIfFurther(_ context: JobContext, _ system: SystemIdentifier) throws {
        let known = try Self.store(context).listReadable().first { $0.id == system.hex }?.value
        if let known, (known.timeline, known.lsn) >= (timeline, lsn) { return }
        try keep(context, system)
    }

    /// Forgets the kept mark when `isGone` says that the WAL it speaks of was let go.
    static func forget(
        _ context: JobContext,
        _ system: SystemIdentifier,
        where isGone: (StreamMark) -> Bool
    ) throws {
        let store = store(context)
        for record in try store.listReadable() where record.id == system.hex {
            if let mark = record.value, isGone(mark) { try store.remove(record) }
        }
    }

    /// The mark of the last stream that ended in order, and those of streams whose lease stands.
    static func list(_ context: JobContext, _ system: SystemIdentifier) throws -> [StreamMark] {
        let kept = try store(context).listReadable()
            .filter { $0.id == system.hex }.compactMap(\.value)
        let leases = try Lease.listReadable(context.vault, system).filter { $0.kind == .stream }
        return kept
            + leases.compactMap { $0.status(as: StreamStatus.self).flatMap { StreamMark($0) } }
    }
}
