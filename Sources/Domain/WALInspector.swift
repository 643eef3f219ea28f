/// Exact answers about one archived segment, where a summary is too coarse.
///
/// Engine reads the segment from the vault and walks it; tests answer from a list.
public protocol WALInspector {
    /// The commit and abort records that *end* in `segment`, in WAL order.
    ///
    /// A record may begin in `previous`, the whole segment before it on the way replay takes, which
    /// can be of a parent timeline; nil when nothing before is held. Throws when either cannot be
    /// read.
    func transactionEnds(
        in segment: WALSegment,
        after previous: WALSegment?
    ) throws -> [TransactionEnd]
}
