import Domain
import Logging
import Platform
import Postgres
import Vaulting

/// One connection's stream, over as many timelines as it lasts.
final class StreamLeg {
    private let context: JobContext
    private let instance: InstanceRecord
    private let options: WALStreamOptions
    private let reached: SourceEndpoints.Reached
    private let place: StreamPlace
    private let room: StoreRoom?
    private let report: StreamReport
    /// What was streamed.
    private(set) var total = StreamBoard.State(timeline: 0, durable: .zero)

    init(
        context: JobContext,
        instance: InstanceRecord,
        options: WALStreamOptions,
        reached: SourceEndpoints.Reached,
        place: StreamPlace,
        room: StoreRoom?,
        report: StreamReport
    ) {
        self.context = context
        self.instance = instance
        self.options = options
        self.reached = reached
        self.place = place
        self.room = room
        self.report = report
    }

    /// Streams until stopped (true), or until the server stops.
    func run(_ gaps: StreamGaps) throws -> Bool {
        let (connection, identity) = (reached.connection, reached.identity)
        var start = try context.token.whileCancellable({ connection.breakOff() }) {
            try begin(gaps)
        }
        let target = options.untilCaughtUp ? identity.position : nil
        let heartbeat = options.heartbeatSeconds.map {
            Heartbeat(context, instance, reached, seconds: $0)
        }
        defer { heartbeat?.stop() }
        context.log.info(
            "streaming",
            metadata: [
                "instance": "\(instance.name)", "from": "\(start.position)",
                "timeline": "\(start.timeline)", "role": "\(reached.role.rawValue)",
                "source": "\(reached.settings.redacted)",
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
            let end = try stream(start, target: target)
            switch end.reason {
            case .stopped: return true
            case .serverStopped: return false
            case .timelineEnded(let next, let fork): start = try follow(to: next, from: fork)
            }
        }
    }

    private func begin(_ gaps: StreamGaps) throws -> StreamStart {
        try SourceHistories.store(
            context.vault,
            instance.systemIdentifier,
            reached.connection,
            upTo: reached.identity.timeline
        )
        return try gaps.beginning(
            on: reached,
            of: instance,
            limit: options.giveUpSlotBytes ?? instance.giveUpSlotBytes
        )
    }

    private func follow(to next: TimelineID, from fork: LSN) throws -> StreamStart {
        context.log.notice("timeline switch", metadata: ["to": "\(next)", "at": "\(fork)"])
        try SourceHistories.store(
            context.vault,
            instance.systemIdentifier,
            reached.connection,
            upTo: next
        )
        // From the start of the segment: the server's file of the new timeline begins with the
        // bytes before the fork, so each timeline's segments are whole on their own.
        let segment = WALSegment(timeline: next, containing: fork, size: instance.segmentSize)
        return StreamStart(timeline: next, position: segment.start)
    }

    private func stream(_ start: StreamStart, target: LSN?) throws -> WALStreamEnd {
        let identity = reached.identity
        let control = try WALStreamControl()
        if let target, start.timeline == identity.timeline { control.stop(at: target) }
        let board = StreamBoard(timeline: start.timeline, at: start.position)
        let receiver = WALReceiver(
            vault: context.vault,
            system: instance.systemIdentifier,
            size: instance.segmentSize,
            session: report.session,
            meter: context.meter,
            token: context.token,
            clock: context.clock,
            room: room,
            keepsCache: options.untilCaughtUp
        )
        try report.tellConnected(to: reached, at: start)
        place.change { place in
            place.control = control
            place.timeline = start.timeline
        }
        // Asked for between two streams.
        if place.wanted != nil { control.stop() }
        defer {
            let state = board.now
            total.timeline = state.timeline
            total.durable = max(total.durable, state.durable)
            total.segments += state.segments
            total.bytes += state.bytes
            // The server spoke last before the journal had caught up with what it said.
            report.tell { $0.durableLSN = max($0.durableLSN, state.durable) }
            for divergence in state.divergences {
                context.log.critical("\(divergence.error.message)")
            }
        }
        return try receiver.run(
            on: reached.connection,
            slot: instance.slot,
            timeline: start.timeline,
            start: start.position,
            control: control,
            board: board,
            closesPart: false
        ) { [self] heard in
            let state = board.now
            place.change { $0.durable = state.durable }
            report.tell { status in
                status.receivedLSN = control.received
                status.durableLSN = state.durable
                status.serverLSN = max(heard.end, control.received)
                status.serverTime = heard.time ?? status.serverTime
                status.lastCommitAt = state.lastCommit ?? status.lastCommitAt
            }
            context.meter.note("\(control.received)")
        }
    }
}
