public import Domain

/// How and where a WAL stream ended.
public struct WALStreamEnd: Hashable, Sendable {
    /// Why it ended.
    public enum Reason: Hashable, Sendable {
        /// We asked for it, or the target was reached.
        case stopped
        /// The timeline ends; the server goes on with `next`, which left it at `fork`.
        ///
        /// The fork may lie before what was received: the rest belongs to a dead branch.
        case timelineEnded(next: TimelineID, fork: LSN)
        /// The server shut down after everything was confirmed.
        case serverStopped
    }

    /// Why it ended.
    public var reason: Reason
    /// The end of what was handed to the handler.
    public var received: LSN

    /// An end.
    public init(reason: Reason, received: LSN) {
        self.reason = reason
        self.received = received
    }
}
