import Domain
import Platform
import Postgres
import Vaulting

/// Ends whole segments on a thread of its own, so that the next one is compressed while the last
/// one is synced: when catching up, that is most of the time there is.
///
/// Segments are ended one after the other in the order they are handed over, so what is reported as
/// durable never runs ahead of a segment that is not.
final class SegmentSealer: Sendable {
    private struct Order: Sendable {
        var journal: WALJournalWriter
        var summary: WALSummary
        var end: LSN
    }

    private struct State {
        var pending = 0
        var failure: (any Error)?
    }

    /// Segments that may wait: each holds an open file and an output buffer.
    private static let waiting = 2

    private let queue = Channel<Order>(capacity: waiting)
    private let state = Condition(State())
    private let thread: Thread<Void>

    /// Reports durable positions to `control` and `board`.
    init(control: WALStreamControl, board: StreamBoard) {
        thread = Thread("wal-sealer") { [queue, state] in
            do {
                while let order = try queue.receive() {
                    try Self.seal(order, control, board)
                    state.change { $0.pending -= 1 }
                }
            } catch {
                queue.abort(error)
                state.change { $0.failure = error }
                throw error
            }
        }
    }

    /// Hands a complete segment over; waits while too many are waiting.
    func seal(_ journal: WALJournalWriter, _ summary: WALSummary, end: LSN) throws {
        state.change { $0.pending += 1 }
        try queue.send(Order(journal: journal, summary: summary, end: end))
    }

    /// Returns when all segments handed over are durable; throws what kept one from being so.
    func wait() throws {
        let failure: (any Error)?? = state.wait { state in
            if let failure = state.failure { return .some(failure) }
            return state.pending == 0 ? .some(nil) : nil
        }
        if let failure = failure ?? nil { throw failure }
    }

    /// Ends the thread after what was handed over. Nothing may be handed over afterwards.
    func finish() throws {
        queue.finish()
        try thread.join()
    }

    private static func seal(
        _ order: Order,
        _ control: WALStreamControl,
        _ board: StreamBoard
    ) throws {
        // A segment that is there already with other content means two histories under one name.
        // The first one stays what it was, the second is kept aside, and streaming ends: every
        // further segment would only add to the wrong branch.
        if case .divergent(let divergence) = try order.journal.finish(order.summary) {
            throw divergence.error
        }
        board.change { state in
            state.segments += 1
            state.lastCommit = order.summary.lastCommit ?? state.lastCommit
            state.durable = max(state.durable, order.end)
        }
        control.report(written: order.end, flushed: order.end)
    }
}
