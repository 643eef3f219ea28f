import Domain
import Platform
import Postgres
import Synchronization
import Vaulting

/// Where a stream is at work: told by the stream, read by the thread that watches its slot.
final class StreamPlace: Sendable {
    /// The place.
    struct State: Sendable {
        /// The instance, as its record was when the stream last connected.
        var instance: InstanceRecord
        /// The server; nil before the first one was reached.
        var address: String?
        /// How to reach the very server.
        var settings: ConnectionSettings?
        /// What it is.
        var rank = 0
        /// Its timeline.
        var timeline = TimelineID(1)
        /// End of what is durable.
        var durable = LSN.zero
        /// The running stream; nil between two.
        var control: WALStreamControl?
        /// Addresses that failed just now: not to be gone back to yet.
        var resting: Set<String> = []
    }

    /// Why a watcher ended the stream.
    enum Wish: Sendable {
        /// The slot keeps more than it may.
        case giveUp
        /// A server that is asked for before this one is back.
        case move
    }

    private let state: Mutex<State>
    private let wish = Mutex<Wish?>(nil)

    init(_ instance: InstanceRecord) { state = Mutex(State(instance: instance)) }

    /// The place now.
    var now: State { state.withLock { $0 } }

    /// Changes it.
    func change(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

    /// Ends the running stream in order, so that its job begins anew.
    func ask(_ wanted: Wish) {
        wish.withLock { $0 = wanted }
        now.control?.stop()
    }

    /// What was asked for, once.
    func takeWish() -> Wish? {
        wish.withLock { held in
            defer { held = nil }
            return held
        }
    }

    /// What was asked for.
    var wanted: Wish? { wish.withLock { $0 } }
}
