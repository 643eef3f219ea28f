/// Exact answers about one archived segment, where a summary is too coarse.
///
/// Engine reads the segment from the vault and walks it; tests answer from a list.
public protocol WALInspector {
    /// The commit and abort records that *end* in `segment`, in WAL order.
    ///
    /// A record that began in the segment before belongs to this one. Throws when the segment cannot
    /// be read whole.
    func transactionEnds(in segment: WALSegment) throws -> [TransactionEnd]
}
