import Domain
import Platform
import Postgres
import Vaulting

/// The stream of another process, seen by one that was asked to catch up: what that one makes
/// durable is as good as one's own.
struct OtherStream {
    private let context: JobContext
    private let instance: InstanceRecord
    private let applicationName: String

    /// Longer than this a stream that is at work needs for nothing but a large backlog.
    private static let patienceSeconds: Double = 60
    private static let lookSeconds: Double = 0.5

    init(_ context: JobContext, _ instance: InstanceRecord, _ applicationName: String) {
        self.context = context
        self.instance = instance
        self.applicationName = applicationName
    }

    /// Waits until all WAL the server has now is in the vault; where that is. Nil when the other
    /// stream has ended meanwhile.
    ///
    /// Throws `busy` when that takes too long, and what is wrong with the server.
    func waitUntilCaughtUp(
        orThrow busy: PgkeepError
    ) throws -> (timeline: TimelineID, position: LSN)? {
        let reached = try SourceEndpoints(
            context,
            instance,
            instance.walFrom,
            applicationName: applicationName
        ).reach()
        let identity = reached.identity
        reached.connection.close()
        let begun = context.clock.monotonicSeconds
        while true {
            if try hasAll(upTo: identity.position, on: identity.timeline) {
                return (identity.timeline, identity.position)
            }
            guard try isHeld() else { return nil }
            guard context.clock.monotonicSeconds - begun < Self.patienceSeconds else { throw busy }
            if context.token.sleep(seconds: Self.lookSeconds) { throw context.token.error }
        }
    }

    /// A stream goes through WAL in its order: who has the last byte has all.
    private func hasAll(upTo position: LSN, on timeline: TimelineID) throws -> Bool {
        guard position > .zero else { return true }
        let last = LSN(position.rawValue - 1)
        let archive = try WALArchive.load(
            context.vault,
            instance.systemIdentifier,
            segmentSize: instance.segmentSize
        )
        let start = WALSegment(
            timeline: timeline,
            containing: last,
            size: instance.segmentSize
        ).start
        return try archive.durableEnd(of: timeline, from: start).map { $0 >= position } ?? false
    }

    private func isHeld() throws -> Bool {
        let system = instance.systemIdentifier
        guard let holder = try Claim.holder(context.vault, system, .stream),
            let lease = try Lease.read(context.vault, system, holder.session)
        else { return false }
        return !lease.isDead(now: context.clock.now)
    }
}
