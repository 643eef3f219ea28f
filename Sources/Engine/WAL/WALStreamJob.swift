import Domain
import Logging
import Platform
import Postgres
public import Vaulting

/// Streams an instance's WAL into the vault: for ever, or until it has caught up.
///
/// One at a time for an instance, on all hosts together. Reconnects after everything that can pass,
/// to whichever server of the instance is there; pauses while the vault's disk is nearly full; ends
/// with an error for everything that needs an operator.
public final class WALStreamJob {
    private let context: JobContext
    private let options: WALStreamOptions
    private var instance: InstanceRecord
    private let place: StreamPlace
    private let gaps: StreamGaps
    private let room: StoreRoom
    private var total = StreamBoard.State(timeline: 0, durable: .zero)
    /// Addresses that failed just now, and until when another one is taken first.
    private var resting: [String: Double] = [:]
    /// Addresses that lack WAL the vault lacks, too.
    private var lacking: Set<String> = []

    /// Waiting times between attempts to reconnect: doubling up to the last.
    private static let retrySeconds = (first: 0.5, last: 15.0)
    /// For so long an address that failed is not gone back to while another one will do.
    private static let restSeconds = 60.0
    /// Seconds between two looks whether there is room again.
    private static let roomSeconds = 2.0

    /// A stream of `instance`.
    public init(context: JobContext, instance: InstanceRecord, options: WALStreamOptions) {
        self.context = context
        self.instance = instance
        self.options = options
        place = StreamPlace(instance)
        gaps = StreamGaps(context, options)
        room = StoreRoom(context.vault, minFree: options.minFreeBytes)
    }

    /// Streams; returns when it has caught up (if that was asked for) or was cancelled in order.
    /// One that stays may be cancelled at any time; before it has reached a server its result has
    /// timeline 0.
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
        guard let claim = try acquire(lease) else { return result }
        defer { try? claim.release() }
        lease.endWhenStopped(context, instance)
        context.meter.begin("stream")
        try streamUntilDone(StreamReport(context, lease, slot: instance.slot))
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
        return result
    }

    private var result: WALStreamResult {
        WALStreamResult(
            timeline: total.timeline,
            durableLSN: total.durable,
            segments: total.segments,
            bytes: total.bytes
        )
    }

    /// The role, or nil when there is nothing to do: another stream that holds it has caught up for
    /// us, or we are to stop.
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
            } catch let error as PgkeepError where isOrderToStop(error) {
                return nil
            }
        }
    }

    // MARK: - One connection after the other

    private func streamUntilDone(_ report: StreamReport) throws {
        let watch =
            options.untilCaughtUp
            ? nil
            : SlotWatch(
                context,
                place,
                seconds: options.watchSeconds,
                limit: options.giveUpSlotBytes
            ) { report.tell(of: $0) }
        defer { watch?.stop() }
        var wait = Self.retrySeconds.first
        while !context.token.isCancelled {
            let before = total.bytes
            do {
                try room.check()
                if try connectAndStream(report) { return }
                wait = Self.retrySeconds.first
            } catch let error as PgkeepError where error.code == .walRemoved {
                try handleRemoval(error)
                continue
            } catch let error as PgkeepError
                where error.code == .storeFull && !options.untilCaughtUp
            {
                try pause(error, report)
                continue
            } catch let error as PgkeepError where isOrderToStop(error) {
                return
            } catch let error as PgkeepError where isPassing(error) {
                guard !options.untilCaughtUp else { throw error }
                context.log.warning("stream interrupted", metadata: ["reason": "\(error)"])
                report.tellInterrupted(error)
                rest(place.now.address)
                if total.bytes > before { wait = Self.retrySeconds.first }
            }
            if place.takeWish() != nil { continue }
            if context.token.sleep(seconds: wait) { return }
            wait = min(wait * 2, Self.retrySeconds.last)
        }
    }

    /// One connection's stream. True when the job is done.
    private func connectAndStream(_ report: StreamReport) throws -> Bool {
        refresh()
        let now = context.clock.monotonicSeconds
        resting = resting.filter { $0.value > now }
        let reached = try endpoints.reach(resting: lacking.union(resting.keys))
        StoppedServer.forget(context, instance.systemIdentifier)
        noteReached(reached)
        let leg = StreamLeg(
            context: context,
            instance: instance,
            options: options,
            reached: reached,
            place: place,
            room: options.untilCaughtUp ? nil : room,
            report: report
        )
        defer {
            place.change { $0.control = nil }
            total.add(leg.total)
            if leg.total.bytes > 0 { lacking = [] }
        }
        return try leg.run(gaps) && place.wanted == nil
    }

    /// The servers to stream from, as the record names them now.
    private var endpoints: SourceEndpoints {
        SourceEndpoints(
            context,
            instance,
            instance.walFrom,
            applicationName: options.applicationName
        )
    }

    private func noteReached(_ reached: SourceEndpoints.Reached) {
        place.change { place in
            place.address = reached.address
            place.settings = reached.settings
            place.rank = reached.rank
            place.timeline = reached.identity.timeline
            place.resting = Set(resting.keys)
        }
    }

    /// The record may have changed since: another address, other wishes.
    private func refresh() {
        let store = context.vault.instances(clock: context.clock)
        guard let current = (try? store.read(instance.name.description))?.value,
            current.systemIdentifier == instance.systemIdentifier
        else { return }
        instance = current
        place.change { $0.instance = current }
    }

    private func rest(_ address: String?) {
        guard let address, instance.addresses.count > 1 else { return }
        resting[address] = context.clock.monotonicSeconds + Self.restSeconds
    }

    /// Another server of the instance may still have what this one lacks; only what none has is
    /// gone.
    private func handleRemoval(_ error: PgkeepError) throws {
        if let address = place.now.address, instance.addresses.count > 1,
            lacking.insert(address).inserted
        {
            context.log.warning(
                "WAL the vault lacks is gone from a server: asking the others",
                metadata: ["address": "\(address)"]
            )
            return
        }
        try gaps.removed(error, instance)
    }

    /// Waits until the vault has room. The server is let go of meanwhile, so that it can shut down;
    /// its slot keeps the WAL, and that is watched.
    private func pause(_ error: PgkeepError, _ report: StreamReport) throws {
        context.log.error("stream paused", metadata: ["reason": "\(error)"])
        report.tellPaused(error)
        while try !hasRoom() {
            showPlace()
            if context.token.sleep(seconds: Self.roomSeconds) { return }
            guard place.takeWish() == .giveUp else { continue }
            do {
                try giveUp()
            } catch let error as PgkeepError where isPassing(error) || error.code == .storeFull {
                context.log.warning("the slot is not given up", metadata: ["why": "\(error)"])
            }
        }
        context.log.notice("stream goes on: the vault has room again")
        report.tellResumed()
    }

    /// A stream that finds the vault full from its beginning has not been at the server yet: who
    /// watches the slot must know where it is.
    private func showPlace() {
        guard place.now.address == nil, let reached = try? endpoints.reach() else { return }
        reached.connection.close()
        noteReached(reached)
    }

    private func hasRoom() throws -> Bool {
        do {
            return try room.isBack()
        } catch let error as PgkeepError where error.code == .storeUnreachable {
            return false
        }
    }

    /// Gives the slot up without streaming: the server comes first.
    private func giveUp() throws {
        let reached = try endpoints.reach()
        _ = try gaps.beginning(on: reached, of: instance, limit: limit)
    }

    private var limit: UInt64? { options.giveUpSlotBytes ?? instance.giveUpSlotBytes }

    /// A stream that stays ends when it is told to, which may be while it still looks for a server.
    private func isOrderToStop(_ error: PgkeepError) -> Bool {
        error.code == .cancelled && !options.untilCaughtUp
    }

    private func isPassing(_ error: PgkeepError) -> Bool {
        error.isPassingSourceFailure
            && !(error.code == .slotBusy && total.bytes == 0 && options.untilCaughtUp)
    }
}

extension StreamBoard.State {
    /// Adds what one connection's stream did.
    fileprivate mutating func add(_ leg: StreamBoard.State) {
        if leg.timeline > 0 { timeline = leg.timeline }
        durable = max(durable, leg.durable)
        segments += leg.segments
        bytes += leg.bytes
    }
}
