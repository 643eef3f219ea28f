package import Domain
import Platform
import Postgres
package import Vaulting

/// A short look at an instance's server before a backup that is due: does it run, and has anything
/// changed since the last point?
package enum SourceLook: Sendable {
    /// The server does not run.
    case stopped
    /// It runs, and its files are as in the last point.
    case unchanged
    /// A backup is to be tried. Whatever is wrong with the server, it will say.
    case ready

    /// WAL of more segments than this is taken for a change without being read.
    private static let segmentsMax: UInt64 = 16

    /// Connects and looks. Throws only when cancelled.
    ///
    /// - Parameter last: the newest automatic point; nil when a backup is wanted in any case.
    package static func take(
        _ context: JobContext,
        _ instance: InstanceRecord,
        since last: RecoveryPoint?
    ) throws -> SourceLook {
        do {
            let reached = try SourceEndpoints(context, instance, instance.baseFrom).reach()
            let identity = reached.identity
            reached.connection.close()
            guard let last else { return .ready }
            return try isUnchanged(context, instance, identity, since: last) ? .unchanged : .ready
        } catch let error as PgkeepError {
            try context.token.check()
            return error.tellsServerIsStopped ? .stopped : .ready
        }
    }

    /// True when the vault holds all WAL from the point to the server's end, and that is nothing
    /// but book-keeping and heartbeats. No backup is missed then: the WAL is there to be replayed.
    private static func isUnchanged(
        _ context: JobContext,
        _ instance: InstanceRecord,
        _ identity: SystemIdentity,
        since last: RecoveryPoint
    ) throws -> Bool {
        let size = instance.segmentSize
        guard identity.timeline == last.timeline, identity.position >= last.stopLSN,
            identity.position - last.stopLSN <= segmentsMax * size.bytes
        else { return false }
        var segment = WALSegment(
            timeline: last.timeline,
            containing: last.stopLSN,
            size: size
        )
        var walker = WALWalker(
            segmentSize: size,
            systemIdentifier: instance.systemIdentifier,
            startingAt: segment.start
        )
        let reader = WALSegmentReader(context.vault, instance.systemIdentifier)
        while max(walker.position, walker.validEnd) < identity.position {
            try context.token.check()
            let before = walker.position
            let length = try reader.read(segment.name) { bytes in
                walker.feed(bytes, at: walker.position) { _ in }
            }
            guard length != nil, walker.position > before, walker.stop == nil else { return false }
            if let change = walker.lastChange, change >= last.stopLSN { return false }
            guard walker.position == segment.end else { break }
            segment = segment.next
        }
        return max(walker.position, walker.validEnd) >= identity.position
    }
}
