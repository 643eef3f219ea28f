internal import CPostgres
internal import Glibc
internal import Platform

/// The key to cancel a session's command from another thread, usable until the session ends.
final class CancelHandle: Sendable {
    private struct State: @unchecked Sendable {
        var key: OpaquePointer?
        var socket: Int32
    }
    private let state: Condition<State>

    init(_ connection: OpaquePointer) {
        state = Condition(State(key: PQgetCancel(connection), socket: PQsocket(connection)))
    }

    /// The lock is held meanwhile, so the session cannot be freed under the call.
    func fire() {
        state.read { state in
            guard let key = state.key else { return }
            var reason = [CChar](repeating: 0, count: 256)
            if PQcancel(key, &reason, Int32(reason.count)) != 1 {
                shutdown(state.socket, Int32(SHUT_RDWR))
            }
        }
    }

    /// Breaks the session off without asking anybody: a server that is silent would not answer.
    func breakOff() {
        state.read { state in
            if state.key != nil { shutdown(state.socket, Int32(SHUT_RDWR)) }
        }
    }

    func retire() {
        state.change { state in
            PQfreeCancel(state.key)
            state.key = nil
        }
    }
}
