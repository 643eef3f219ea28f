import Domain
import Logging
import Platform
import Postgres
import Vaulting

/// The WAL from a backup's start to its stop, without which the backup is worthless.
///
/// When a streamer of the instance is at work, its archive is waited for. Otherwise the backup has
/// a connection and a temporary slot of its own, made before the backup begins, so that no segment
/// can be recycled between the server's answer and our first read.
final class BackupWAL {
    private let context: JobContext
    private let instance: InstanceRecord
    private let settings: ConnectionSettings
    private let session: PointID
    private let isStandby: Bool
    private var own: Own?

    private struct Own {
        var connection: Connection
        var slot: String
        var control: WALStreamControl
        var thread: Thread<WALStreamEnd>?
    }

    /// How long a server may take to complete the last segment after the backup has stopped. Past
    /// that the bytes up to the stop position are enough.
    private static let segmentWaitSeconds = 10.0
    private static let pollSeconds = 0.2

    /// Protects the WAL from now on.
    ///
    /// - Parameter session: the backup's session, whose lease covers the journals.
    init(
        _ context: JobContext,
        _ instance: InstanceRecord,
        settings: ConnectionSettings,
        session: PointID,
        isStandby: Bool
    ) throws {
        self.context = context
        self.instance = instance
        self.settings = settings
        self.session = session
        self.isStandby = isStandby
        guard try !StreamLookup.isStreaming(context, instance.systemIdentifier) else { return }
        own = try Self.connect(context, settings, session)
    }

    /// True when this backup streams for itself.
    var isOwn: Bool { own != nil }

    /// The server has fixed the start: begins to stream, if this backup does so itself.
    func begin(at start: BaseBackupStart) throws {
        guard let own else { return }
        // The backup's checkpoint ends a slot, and its session, when what it keeps goes further
        // back than max_slot_wal_keep_size. One made now keeps from that checkpoint on.
        if (try? own.connection.identifySystem()) == nil {
            self.own = try Self.connect(context, settings, session)
        }
        try recordPause(before: start.lsn, timeline: start.timeline)
        startStream(timeline: start.timeline, from: start.lsn)
    }

    /// Returns when all WAL of the backup is durable in the vault.
    func finish(from start: LSN, to stop: LSN, timeline: TimelineID) throws {
        context.meter.begin("wal", note: "waiting for WAL up to \(stop)")
        let last = WALSegment(
            timeline: timeline,
            endingAt: stop,
            size: instance.segmentSize
        )
        // A primary switches segments when a backup stops, so the last one soon becomes whole; a
        // standby cannot, and its last segment is kept as far as it is needed.
        let target = isStandby ? stop : last.end
        if own?.thread != nil { try finishOwn(at: target, needed: stop) }
        while try !isArchived(from: start, to: stop, timeline: timeline) {
            try context.token.check()
            try refuseLost(from: start, to: stop)
            if try StreamLookup.isStreaming(context, instance.systemIdentifier) {
                _ = context.token.sleep(seconds: Self.pollSeconds)
                continue
            }
            // The streamer has gone. Its slot still holds what it had not acknowledged.
            context.log.warning("the WAL stream has ended; the backup fetches its WAL itself")
            own = try own ?? Self.connect(context, settings, session)
            try recordPause(before: start, timeline: timeline)
            startStream(timeline: timeline, from: start)
            try finishOwn(at: target, needed: stop)
        }
    }

    /// WAL of this backup that the stream had to skip will never come.
    private func refuseLost(from start: LSN, to stop: LSN) throws {
        let losses = try LossRecord.list(context.vault, instance.systemIdentifier)
        guard
            let loss = losses.first(where: {
                [.slotLost, .givenUp, .failover].contains($0.cause) && $0.start < stop
                    && $0.end > start
            })
        else { return }
        throw PgkeepError(
            .sourceBroken,
            "WAL of this backup was lost meanwhile, from \(loss.start) to \(loss.end)",
            hint: "run the backup again"
        )
    }

    /// WAL before this backup that nobody streamed is told apart from WAL that was archived and is
    /// gone. The slot may still keep it, and a later stream fetch it. Written before this backup's
    /// own WAL makes it a hole, so that a backup killed halfway leaves no false alarm.
    ///
    /// The hole may reach back over promotions: one record for each timeline, since whoever fills
    /// it later seals the segments of each under its own name.
    private func recordPause(before start: LSN, timeline: TimelineID) throws {
        let size = instance.segmentSize
        let archive = try WALArchive.load(
            context.vault,
            instance.systemIdentifier,
            segmentSize: size
        )
        let first = size.segmentStart(start)
        let history =
            try own?.connection.timelineHistory(of: timeline)?.history ?? .root(timeline)
        guard var place = try archive.durableEnd(before: first, on: history) else { return }
        while place.position < first {
            let fork = history.end(of: place.timeline)
            // A switch within a segment is in the child's file of it.
            let end = min(fork.map(size.segmentStart) ?? first, first)
            if place.position < end {
                try LossRecord(
                    systemIdentifier: instance.systemIdentifier,
                    timeline: place.timeline,
                    from: place.position,
                    to: end,
                    cause: .neverArchived,
                    at: context.clock.now
                ).store(in: context.vault, clock: context.clock)
            }
            guard let fork else { return }
            place = (history.timeline(at: fork), max(place.position, end))
        }
    }

    /// Ends the own stream, if there is one, whatever it has reached.
    func abandon() {
        guard let own, let thread = own.thread else { return }
        own.control.stop()
        _ = try? thread.join()
    }

    private static func connect(
        _ context: JobContext,
        _ settings: ConnectionSettings,
        _ session: PointID
    ) throws -> Own {
        let connection = try Connection(
            settings,
            kind: .physicalReplication,
            applicationName: "pgkeep_backup_wal",
            cancellation: context.token
        )
        // The end of the session's id is random; slots of two backups must not meet.
        let slot = "pgkeep_" + session.description.suffix(12)
        try ReplicationSlots.create(slot, isTemporary: true, on: connection)
        return Own(
            connection: connection,
            slot: slot,
            control: try WALStreamControl(),
            thread: nil
        )
    }

    private func startStream(timeline: TimelineID, from position: LSN) {
        guard let stream = own else { return }
        let size = instance.segmentSize
        let start = WALSegment(timeline: timeline, containing: position, size: size).start
        let receiver = WALReceiver(
            vault: context.vault,
            system: instance.systemIdentifier,
            size: size,
            session: session,
            meter: ProgressMeter(),
            token: context.token,
            clock: context.clock
        )
        let (connection, control) = (UncheckedBox(stream.connection), stream.control)
        own?.thread = Thread("backup-wal") { [slot = stream.slot] in
            try receiver.run(
                on: connection.value,
                slot: slot,
                timeline: timeline,
                start: start,
                control: control,
                board: StreamBoard(timeline: timeline, at: start),
                closesPart: true
            )
        }
    }

    private func finishOwn(at target: LSN, needed: LSN) throws {
        guard let stream = own, let thread = stream.thread else { return }
        own?.thread = nil
        stream.control.stop(at: target)
        var reachedAt: Double?
        while thread.result == nil {
            if context.token.sleep(seconds: Self.pollSeconds / 10) { stream.control.stop() }
            guard stream.control.flushed >= needed else { continue }
            let now = context.clock.monotonicSeconds
            let since = reachedAt ?? now
            reachedAt = since
            if now - since > Self.segmentWaitSeconds { stream.control.stop() }
        }
        let end = try thread.join()
        try context.token.check()
        guard end.received >= needed else {
            throw PgkeepError(
                .sourceBroken,
                "the WAL stream ended at \(end.received), before \(needed)",
                hint: "the server stopped or changed its timeline; run the backup again"
            )
        }
    }

    private func isArchived(from start: LSN, to stop: LSN, timeline: TimelineID) throws -> Bool {
        let archive = try WALArchive.load(
            context.vault,
            instance.systemIdentifier,
            segmentSize: instance.segmentSize
        )
        guard let end = try archive.durableEnd(of: timeline, from: start) else { return false }
        return end >= stop
    }
}

/// Whether somebody streams an instance's WAL right now.
enum StreamLookup {
    /// True when a living streamer of any host is connected to the server.
    static func isStreaming(_ context: JobContext, _ system: SystemIdentifier) throws -> Bool {
        try status(context.vault, system, now: context.clock.now)?.isConnected ?? false
    }

    /// What the living streamer last told of itself; nil when there is none.
    static func status(
        _ vault: Vault,
        _ system: SystemIdentifier,
        now: Timestamp
    ) throws -> StreamStatus? {
        try Lease.listReadable(vault, system).first { $0.kind == .stream && !$0.isDead(now: now) }?
            .status(as: StreamStatus.self)
    }
}
