import Domain
import Platform
import Synchronization
import Vaulting

/// What a WAL stream has reached, written by its threads and read by whoever reports it.
final class StreamBoard: Sendable {
    /// The state at one moment.
    struct State: Sendable {
        /// The timeline being streamed.
        var timeline: TimelineID
        /// End of what is durable in the vault.
        var durable: LSN
        /// The time of the newest commit seen.
        var lastCommit: Timestamp?
        /// Segments sealed by this stream.
        var segments: UInt64 = 0
        /// Bytes of WAL taken in by this stream.
        var bytes: UInt64 = 0
        /// Contradictions found on the way.
        var divergences: [WALDivergence] = []
    }

    private let state: Mutex<State>

    init(timeline: TimelineID, at position: LSN) {
        state = Mutex(State(timeline: timeline, durable: position))
    }

    /// The state now.
    var now: State { state.withLock { $0 } }

    /// Keeps an alarm.
    func note(_ divergence: WALDivergence) { change { $0.divergences.append(divergence) } }

    /// Changes the state.
    func change(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }
}
