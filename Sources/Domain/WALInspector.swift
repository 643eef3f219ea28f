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

    /// The start of the last record that ends at `position` or before it and begins in `segments`,
    /// which follow each other on the way replay takes; nil when none does.
    ///
    /// Throws when one of them cannot be read.
    func lastRecord(endingBy position: LSN, in segments: [WALSegment]) throws -> LSN?
}
