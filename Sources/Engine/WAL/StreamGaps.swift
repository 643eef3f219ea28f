import Domain
import Logging
import Platform
import Postgres
import Vaulting

/// Where each connection of a stream begins, and what becomes of WAL that nobody has any more: it
/// is told, and only skipped when the operator agreed to that, with a record that says why.
final class StreamGaps {
    private let context: JobContext
    private let options: WALStreamOptions
    /// The slot was invalidated before this connection.
    private var wasLost = false
    /// The server had no slot of ours, and is on a timeline the vault does not know yet: it took
    /// another one's place.
    private var isSuccessor = false
    /// Where the server's slot begins to keep WAL.
    private var slotStart: LSN?
    /// Where to go on behind a gap that was accepted, and why there is one.
    private var skipsTo: (position: LSN, cause: WALHoldings.GapCause)?

    init(_ context: JobContext, _ options: WALStreamOptions) {
        self.context = context
        self.options = options
    }

    /// Decides where to begin on the server reached, and sees to its slot.
    ///
    /// - Parameter limit: a slot that keeps more bytes than this is given up.
    func beginning(
        on reached: SourceEndpoints.Reached,
        of instance: InstanceRecord,
        limit: UInt64?
    ) throws -> StreamStart {
        let (connection, identity) = (reached.connection, reached.identity)
        let archive = try WALArchive.load(
            context.vault,
            instance.systemIdentifier,
            segmentSize: instance.segmentSize
        )
        try SourceCheck.refuseSetBack(archive, identity, isStandby: reached.role == .standby)
        try LossRecord.removeFilled(archive, in: context.vault, clock: context.clock)
        let history = try connection.timelineHistory(of: identity.timeline)?.history
        let sql = try? Connection(
            reached.settings,
            kind: .sql,
            applicationName: options.applicationName,
            cancellation: context.token
        )
        var slot = try instance.slot.flatMap { try prepare($0, connection, sql) }
        func choose() throws -> StreamStart {
            try StreamStart.choose(
                archive: archive,
                identity: identity,
                history: history,
                slot: slot
            )
        }
        var start = try choose()
        isSuccessor = isSuccessor && start.timeline < identity.timeline
        if let name = instance.slot, let limit, let kept = slot?.restartLSN,
            identity.position > max(kept, start.position),
            identity.position - max(kept, start.position) > limit
        {
            slot = try giveUp(name, keeping: identity.position - kept, connection, sql)
            if let fresh = slot?.restartLSN.map(instance.segmentSize.segmentStart),
                fresh > start.position
            {
                skipsTo = (fresh, .givenUp)
            }
        }
        if let kept = skipsTo, kept.position > start.position {
            try record(kept, after: start, instance)
            start.position = kept.position
            start.timeline = (history ?? .root(identity.timeline)).timeline(at: kept.position)
        }
        skipsTo = nil
        slotStart = slot?.restartLSN.map(instance.segmentSize.segmentStart)
        if reached.role == .standby, start.timeline == identity.timeline,
            start.position > identity.position
        {
            throw PgkeepError(
                .sourceBroken,
                "the standby has WAL up to \(identity.position) only, the vault up to"
                    + " \(start.position)",
                hint: "wait until it has caught up with its primary"
            )
        }
        return start
    }

    /// WAL between the archive and what the server still has is gone. Goes on behind it when the
    /// operator accepted that: now, by stopping protection for a while, or by a limit for the slot;
    /// else says how to.
    func removed(_ error: PgkeepError, _ instance: InstanceRecord) throws {
        if let slotStart,
            let known = try LossRecord.list(context.vault, instance.systemIdentifier)
                .first(where: {
                    [.stopped, .givenUp].contains($0.cause) && $0.end == slotStart
                })
        {
            skipsTo = (slotStart, known.cause)
            return
        }
        guard options.acceptsGap, let slotStart else {
            throw PgkeepError(
                wasLost ? .slotLost : .walRemoved,
                "WAL the vault lacks is gone from the server"
                    + (wasLost ? " because its replication slot was invalidated" : ""),
                hint: "run pgkeep wal stream \(instance.name) --accept-gap to record the gap and go"
                    + " on behind it, and take a backup at once:"
                    + " pgkeep backup create \(instance.name)",
                cause: error
            )
        }
        skipsTo = (slotStart, isSuccessor && !wasLost ? .failover : .slotLost)
    }

    // MARK: - The slot

    private func prepare(
        _ name: String,
        _ connection: Connection,
        _ sql: Connection?
    ) throws -> ReplicationSlot? {
        let slot = try ReplicationSlots.read(name, replication: connection, sql: sql)
        // What was found first stays true while the gap it left is being told.
        if let slot, !slot.isLost { return slot }
        wasLost = slot != nil
        isSuccessor = slot == nil
        // A promoted standby has no slot of ours, and a lost one keeps nothing any more. Whether
        // WAL is really missing is for the server to say: it may still be there.
        context.log.warning(
            "the replication slot is made anew",
            metadata: ["slot": "\(name)", "was": wasLost ? "lost" : "not there"]
        )
        if wasLost { try ReplicationSlots.drop(name, on: connection) }
        return try make(name, connection, sql)
    }

    private func make(
        _ name: String,
        _ connection: Connection,
        _ sql: Connection?
    ) throws -> ReplicationSlot? {
        try ReplicationSlots.create(name, isTemporary: false, on: connection)
        return try ReplicationSlots.read(name, replication: connection, sql: sql)
    }

    /// Drops the slot, so that the server may let go of its WAL, and makes one that keeps what is
    /// written from its last checkpoint on.
    private func giveUp(
        _ name: String,
        keeping bytes: UInt64,
        _ connection: Connection,
        _ sql: Connection?
    ) throws -> ReplicationSlot? {
        context.log.error(
            "the replication slot is given up: it kept more WAL on the server than it may",
            metadata: ["slot": "\(name)", "bytes": "\(bytes)"]
        )
        try ReplicationSlots.drop(name, on: connection)
        return try make(name, connection, sql)
    }

    private func record(
        _ kept: (position: LSN, cause: WALHoldings.GapCause),
        after start: StreamStart,
        _ instance: InstanceRecord
    ) throws {
        try LossRecord(
            systemIdentifier: instance.systemIdentifier,
            timeline: start.timeline,
            from: start.position,
            to: kept.position,
            cause: kept.cause,
            at: context.clock.now
        ).store(in: context.vault, clock: context.clock)
        context.log.critical(
            "a gap in the recovery window: nothing behind it is restorable before the next backup",
            metadata: [
                "instance": "\(instance.name)", "from": "\(start.position)",
                "to": "\(kept.position)", "cause": "\(kept.cause.rawValue)",
            ]
        )
    }
}
