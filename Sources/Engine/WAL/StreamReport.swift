import Domain
import Platform
import Postgres
import Vaulting

/// What a stream tells of itself in its lease, from whichever of its threads.
///
/// Told with the next sign of life; what others wait for is told at once.
final class StreamReport: Sendable {
    private let clock: any Clock
    private let lease: Lease
    private let slot: String?
    // The status is read, changed and set again; two threads must not do that at once.
    private let lock = Condition(())

    init(_ context: JobContext, _ lease: Lease, slot: String?) {
        clock = context.clock
        self.lease = lease
        self.slot = slot
    }

    /// The session whose lease this is.
    var session: PointID { lease.session }

    /// Changes the status.
    func tell(_ change: (inout StreamStatus) -> Void) {
        lock.change { _ in
            var status =
                lease.record.status(as: StreamStatus.self)
                ?? StreamStatus(timeline: 1, at: .zero, time: clock.now)
            change(&status)
            status.at = clock.now
            if status.durableLSN >= status.serverLSN { status.caughtUpAt = status.at }
            status.slot = slot
            try? lease.setStatus(status)
        }
    }

    /// A stream begins on a server. Said at once: a backup that begins now relies on it.
    func tellConnected(
        to reached: SourceEndpoints.Reached,
        at start: StreamStart
    ) throws {
        tell { status in
            let before = status
            status = StreamStatus(timeline: start.timeline, at: start.position, time: clock.now)
            status.isConnected = true
            status.serverLSN = max(start.position, reached.identity.position)
            status.source = reached.settings.withoutPassword
            status.isStandby = reached.role == .standby
            status.slotRetainedBytes = before.slotRetainedBytes
            status.safeWALBytes = before.safeWALBytes
            status.slotState = before.slotState
            status.giveUpSlotBytes = before.giveUpSlotBytes
            status.slotNote = before.slotNote
        }
        try lease.beat()
    }

    /// The server is gone.
    func tellInterrupted(_ error: PgkeepError) {
        tell { status in
            status.isConnected = false
            status.failure = error.message
        }
        try? lease.beat()
    }

    /// No WAL is taken for now.
    func tellPaused(_ error: PgkeepError) {
        tell { status in
            status.isConnected = false
            status.pause = error.message
            status.failure = error.message
        }
        try? lease.beat()
    }

    /// WAL is taken again.
    func tellResumed() {
        tell { status in
            status.pause = nil
            status.failure = nil
        }
        try? lease.beat()
    }

    /// How the slot stands. Said at once, since little else may move meanwhile.
    func tell(of reading: SlotReading) {
        tell { status in
            status.slotRetainedBytes = reading.pressure?.retainedBytes
            status.safeWALBytes = reading.pressure?.safeBytes
            status.slotState = reading.pressure?.state
            status.giveUpSlotBytes = reading.pressure?.limitBytes
            status.slotNote = reading.note
        }
        try? lease.beat()
    }
}
