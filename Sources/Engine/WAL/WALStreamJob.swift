import Domain
import Logging
import Platform
import Postgres
public import Vaulting

/// Streams an instance's WAL into the vault: for ever, or until it has caught up.
///
/// One at a time for an instance, on all hosts together. Reconnects after everything that can pass;
/// ends with an error for everything that needs an operator.
public final class WALStreamJob {
    private let context: JobContext
    private let instance: InstanceRecord
    private let options: WALStreamOptions
    /// The slot was invalidated before this connection.
    private var wasLost = false
    /// Where the server's slot begins to keep WAL.
    private var slotStart: LSN?
    /// Where to go on behind a gap that was accepted, and why there is one.
    private var skipsTo: (position: LSN, cause: WALHoldings.GapCause)?
    private var total = StreamBoard.State(timeline: 0, durable: .zero)

    /// Waiting times between attempts to reconnect: doubling up to the last.
    private static let retrySeconds = (first: 0.5, last: 15.0)

    /// A stream of `instance`.
    public init(context: JobContext, instance: InstanceRecord, options: WALStreamOptions) {
        self.context = context
        self.instance = instance
        self.options = options
    }

    /// Streams; returns when it has caught up (if that was asked for) or was cancelled in order.
    ///
    /// Asked to catch up while another stream is at work, it waits until that one has.
    ///
    /// Throws `.refused` when its protection is stopped (which also ends a running stream in good
    /// order), `.busy` when the instance is streamed already, `.slotLost` and `.walRemoved` for WAL
    /// that is gone, `.sourceForeign`, `.integrity` for contradicting WAL, store errors.
    public func run() throws -> WALStreamResult {
        try Instances.requireActive(context, instance)
        let lease = try Lease.begin(
            context.vault,
            instance.systemIdentifier,
            kind: .stream,
            clock: context.clock
        )
        defer { try? lease.end() }
        guard let claim = try acquire(lease) else {
            return WALStreamResult(
                timeline: total.timeline,
                durableLSN: total.durable,
                segments: 0,
                bytes: 0
            )
        }
        defer { try? claim.release() }
        lease.endWhenStopped(context, instance)
        context.meter.begin("stream")
        var wait = Self.retrySeconds.first
        while !context.token.isCancelled {
            let before = total.bytes
            do {
                if try connectAndStream(lease) { break }
                wait = Self.retrySeconds.first
            } catch let error as PgkeepError where error.code == .walRemoved {
                try handleRemoval(error)
                continue
            } catch let error as PgkeepError where isPassing(error) {
                guard !options.untilCaughtUp else { throw error }
                context.log.warning("stream interrupted", metadata: ["reason": "\(error)"])
                tell(lease) { status in
                    status.isConnected = false
                    status.failure = error.message
                }
                try? lease.beat()
                if total.bytes > before { wait = Self.retrySeconds.first }
            }
            if context.token.sleep(seconds: wait) { break }
            wait = min(wait * 2, Self.retrySeconds.last)
        }
        if let status = lease.record.status(as: StreamStatus.self) {
            try StreamEvidence(status)?.keep(context, instance.systemIdentifier)
            try StreamMark(status)?.keep(context, instance.systemIdentifier)
        }
        try LossRecord.removeFilled(
            WALArchive.load(
                context.vault,
                instance.systemIdentifier,
                segmentSize: instance.segmentSize
            ),
            in: context.vault,
            clock: context.clock
        )
        // Cancelled because another host took over is not an orderly end.
        try claim.verify()
        return WALStreamResult(
            timeline: total.timeline,
            durableLSN: total.durable,
            segments: total.segments,
            bytes: total.bytes
        )
    }

    /// The role, or nil when another stream that holds it has caught up for us.
    private func acquire(_ lease: Lease) throws -> Claim? {
        while true {
            do {
                return try Claim.acquire(.stream, lease: lease, token: context.token)
            } catch let error as PgkeepError
                where error.code == .busy && options.untilCaughtUp
            {
                let other = OtherStream(context, instance, options.applicationName)
                guard let reached = try other.waitUntilCaughtUp(orThrow: error) else { continue }
                total.timeline = reached.timeline
                total.durable = reached.position
                return nil
            }
        }
    }

    /// One connection's stream over as many timelines as it lasts. True when the job is done.
    private func connectAndStream(_ lease: Lease) throws -> Bool {
        let settings = try ConnectionSettings(instance.source)
        let connection = try Connection(
            settings,
            kind: .physicalReplication,
            applicationName: options.applicationName,
            cancellation: context.token
        )
        let identity = try connection.identifySystem()
        try SourceCheck.check(context, connection, identity, instance)
        try SourceHistories.store(
            context.vault,
            instance.systemIdentifier,
            connection,
            upTo: identity.timeline
        )
        var start = try chooseStart(connection, settings, identity)
        let target = options.untilCaughtUp ? identity.position : nil
        let heartbeat = options.heartbeatSeconds.map {
            Heartbeat(context, instance, settings, seconds: $0)
        }
        defer { heartbeat?.stop() }
        context.log.info(
            "streaming",
            metadata: [
                "instance": "\(instance.name)", "from": "\(start.position)",
                "timeline": "\(start.timeline)",
            ]
        )
        context.meter.expect(
            totalBytes: target.map { $0 > start.position ? $0 - start.position : 0 }
        )
        while true {
            if let target, start.position >= target, start.timeline == identity.timeline {
                total.timeline = start.timeline
                total.durable = max(total.durable, start.position)
                return true
            }
            let end = try stream(connection, start, target: target, identity, lease)
            switch end.reason {
            case .stopped: return true
            case .serverStopped: return false
            case .timelineEnded(let next, let fork):
                context.log.notice(
                    "timeline switch",
                    metadata: ["to": "\(next)", "at": "\(fork)"]
                )
                try SourceHistories.store(
                    context.vault,
                    instance.systemIdentifier,
                    connection,
                    upTo: next
                )
                // From the start of the segment: the server's file of the new timeline begins with
                // the bytes before the fork, so each timeline's segments are whole on their own.
                start = StreamStart(
                    timeline: next,
                    position: WALSegment(
                        timeline: next,
                        containing: fork,
                        size: instance.segmentSize
                    ).start
                )
            }
        }
    }

    private func stream(
        _ connection: Connection,
        _ start: StreamStart,
        target: LSN?,
        _ identity: SystemIdentity,
        _ lease: Lease
    ) throws -> WALStreamEnd {
        let control = try WALStreamControl()
        if let target, start.timeline == identity.timeline { control.stop(at: target) }
        let board = StreamBoard(timeline: start.timeline, at: start.position)
        let receiver = WALReceiver(
            vault: context.vault,
            system: instance.systemIdentifier,
            size: instance.segmentSize,
            session: lease.session,
            meter: context.meter,
            token: context.token,
            clock: context.clock
        )
        tell(lease) { status in
            status = StreamStatus(
                timeline: start.timeline,
                at: start.position,
                time: self.context.clock.now
            )
            status.isConnected = true
            status.serverLSN = max(start.position, identity.position)
        }
        // Said at once, not with the next regular sign: a backup that begins now relies on it.
        try lease.beat()
        defer {
            let state = board.now
            total.timeline = state.timeline
            total.durable = max(total.durable, state.durable)
            total.segments += state.segments
            total.bytes += state.bytes
            // The server spoke last before the journal had caught up with what it said.
            tell(lease) { $0.durableLSN = max($0.durableLSN, state.durable) }
            for divergence in state.divergences {
                context.log.critical("\(divergence.error.message)")
            }
        }
        return try receiver.run(
            on: connection,
            slot: instance.slot,
            timeline: start.timeline,
            start: start.position,
            control: control,
            board: board,
            closesPart: false
        ) { [self] heard in
            let state = board.now
            tell(lease) { status in
                status.receivedLSN = control.received
                status.durableLSN = state.durable
                status.serverLSN = max(heard.end, control.received)
                status.serverTime = heard.time ?? status.serverTime
                status.lastCommitAt = state.lastCommit ?? status.lastCommitAt
            }
            context.meter.note("\(control.received)")
        }
    }

    private func chooseStart(
        _ connection: Connection,
        _ settings: ConnectionSettings,
        _ identity: SystemIdentity
    ) throws -> StreamStart {
        let archive = try WALArchive.load(
            context.vault,
            instance.systemIdentifier,
            segmentSize: instance.segmentSize
        )
        try SourceCheck.refuseSetBack(
            archive,
            identity,
            isStandby: try connection.isInRecovery()
        )
        try LossRecord.removeFilled(archive, in: context.vault, clock: context.clock)
        let history = try connection.timelineHistory(of: identity.timeline)?.history
        let sql = try? Connection(
            settings,
            kind: .sql,
            applicationName: options.applicationName,
            cancellation: context.token
        )
        var slot: ReplicationSlot?
        if let name = instance.slot {
            slot = try ReplicationSlots.read(name, replication: connection, sql: sql)
            wasLost = slot?.isLost ?? false
            if slot == nil || wasLost {
                // A promoted standby has no slot of ours, and a lost one keeps nothing any more.
                // Whether WAL is really missing is for the server to say: it may still be there.
                context.log.warning(
                    "the replication slot is made anew",
                    metadata: ["slot": "\(name)"]
                )
                if wasLost { try ReplicationSlots.drop(name, on: connection) }
                try ReplicationSlots.create(name, isTemporary: false, on: connection)
                slot = try ReplicationSlots.read(name, replication: connection, sql: sql)
            }
        }
        var start = try StreamStart.choose(
            archive: archive,
            identity: identity,
            history: history,
            slot: slot
        )
        if let kept = skipsTo, kept.position > start.position {
            try LossRecord(
                systemIdentifier: instance.systemIdentifier,
                timeline: start.timeline,
                from: start.position,
                to: kept.position,
                cause: kept.cause,
                at: context.clock.now
            ).store(in: context.vault, clock: context.clock)
            start.position = kept.position
        }
        skipsTo = nil
        slotStart = slot?.restartLSN.map {
            WALSegment(timeline: 1, containing: $0, size: instance.segmentSize).start
        }
        return start
    }

    /// WAL between the archive and what the server still has is gone. Goes on behind it when the
    /// operator accepted that, now or by stopping protection for a while, else says how to.
    private func handleRemoval(_ error: PgkeepError) throws {
        if let slotStart,
            try LossRecord.list(context.vault, instance.systemIdentifier)
                .contains(where: { $0.cause == .stopped && $0.end == slotStart })
        {
            skipsTo = (slotStart, .stopped)
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
        skipsTo = (slotStart, .slotLost)
    }

    /// What passes by itself: the server is away, restarts, or still holds our last connection.
    private func isPassing(_ error: PgkeepError) -> Bool {
        [.sourceUnreachable, .sourceBroken, .slotBusy].contains(error.code)
            && !(error.code == .slotBusy && total.bytes == 0 && options.untilCaughtUp)
    }

    private func tell(_ lease: Lease, _ change: (inout StreamStatus) -> Void) {
        var status =
            lease.record.status(as: StreamStatus.self)
            ?? StreamStatus(timeline: 1, at: .zero, time: context.clock.now)
        change(&status)
        status.at = context.clock.now
        if status.durableLSN >= status.serverLSN { status.caughtUpAt = status.at }
        status.slot = instance.slot
        try? lease.setStatus(status)
    }
}
