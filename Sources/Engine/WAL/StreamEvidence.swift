import Domain
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
        if let old = try store.read(system.hex) {
            if let known = old.value, known.time >= time { return }
            try store.update(old, to: self)
        } else {
            try store.create(system.hex, self)
        }
    }

    /// What is known: the kept one, and that of streams whose lease still stands, dead ones too.
    static func list(
        _ context: JobContext,
        _ system: SystemIdentifier
    ) throws -> [WALHoldings.Evidence] {
        var found = try store(context).read(system.hex)?.value.map { [$0] } ?? []
        for lease in try Lease.list(context.vault, system) where lease.kind == .stream {
            if let status = lease.status(as: StreamStatus.self), let one = StreamEvidence(status) {
                found.append(one)
            }
        }
        return found.map {
            WALHoldings.Evidence(timeline: $0.timeline, lsn: $0.lsn, time: $0.time)
        }
    }
}
