/// A commit or abort record in the WAL: the only places a time or xid target can stop at.
public struct TransactionEnd: Hashable, Sendable {
    /// Where the record starts.
    public var start: LSN
    /// Where it ends: the position after its last byte, rounded up to 8.
    public var end: LSN
    /// The top transaction; for the PREPARED forms the one that was prepared.
    public var xid: UInt32
    /// The time in the record, taken before insertion: not monotonic in WAL order.
    public var time: Timestamp
    /// True for a commit, false for an abort.
    public var isCommit: Bool

    /// A record seen in the WAL.
    public init(start: LSN, end: LSN, xid: UInt32, time: Timestamp, isCommit: Bool) {
        self.start = start
        self.end = end
        self.xid = xid
        self.time = time
        self.isCommit = isCommit
    }
}
