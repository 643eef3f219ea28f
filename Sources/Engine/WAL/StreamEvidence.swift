import Domain
import Logging
import Platform
import Vaulting

/// Proof that nothing newer existed at a moment: the server said, at that time of its own clock,
/// that its WAL ended where our durable WAL ends. An idle server's window is known by nothing else.
struct StreamEvidence: Codable, Sendable {
    /// The timeline.
    var timeline: TimelineID
    /// Where both ended.
    var lsn: LSN
    /// When, on the server's clock.
    var time: Timestamp

    private static func store(_ context: JobContext) -> RecordStore<StreamEvidence> {
        RecordStore(context.vault, kind: "wal-evidence", clock: context.clock)
    }

    /// The evidence in a stream's status, if it was caught up when the server last spoke.
    init?(_ status: StreamStatus) {
        guard let time = status.serverTime, status.durableLSN >= status.serverLSN,
            status.durableLSN > .zero
        else { return nil }
        timeline = status.timeline
        lsn = status.durableLSN
        self.time = time
    }

    /// Keeps this as the cluster's newest evidence, for when no stream runs any more.
    func keep(_ context: JobContext, _ system: SystemIdentifier) throws {
        let store = Self.store(context)
        do {
            if let old = try store.read(system.hex) {
                if let known = old.value, known.time >= time { return }
                try store.update(old, to: self)
            } else {
                try store.create(system.hex, self)
            }
        } catch let error as PgkeepError where error.isDamage {
            // The stream did its work; a check of the vault tells of the damaged record.
            context.log.error("evidence not kept", metadata: ["reason": "\(error)"])
        }
    }

    /// What is known: the kept one, and that of streams whose lease still stands, dead ones too.
    /// Without a damaged one less is known of an idle server's window, and nothing else changes.
    static func list(
        _ context: JobContext,
        _ system: SystemIdentifier
    ) throws -> [WALHoldings.Evidence] {
        var found = try store(context).listReadable()
            .filter { $0.id == system.hex }.compactMap(\.value)
        for lease in try Lease.listReadable(context.vault, system) where lease.kind == .stream {
            if let status = lease.status(as: StreamStatus.self), let one = StreamEvidence(status) {
                found.append(one)
            }
        }
        return found.map {
            WALHoldings.Evidence(timeline: $0.timeline, lsn: $0.lsn, time: $0.time)
        }
    }
}
