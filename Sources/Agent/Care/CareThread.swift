import Domain
import Logging
import Platform
import Vaulting

/// The thread of an agent that talks with the vault: opens it, whatever time that takes, and looks
/// at it every few seconds.
final class CareThread: Sendable {
    private struct Wish {
        var names: Set<InstanceName>
        var isLookWanted = false
        var isFinished = false
    }
    private let setup: Supervisor.Setup
    private let inbox: Condition<[SupervisorEvent]>
    private let wish: Condition<Wish>

    /// Seconds between attempts to open the vault, at most.
    private static let openSecondsMax = 30.0

    init(
        _ setup: Supervisor.Setup,
        names: Set<InstanceName>,
        _ inbox: Condition<[SupervisorEvent]>
    ) {
        self.setup = setup
        self.inbox = inbox
        wish = Condition(Wish(names: names))
    }

    /// Begins.
    func start() {
        _ = Thread<Void>("vault") { [self] in
            if let vault = open() { care(for: vault) }
            post(.released)
        }
    }

    /// Has it look now, at these instances.
    func look(names: Set<InstanceName>) {
        wish.change {
            $0.names = names
            $0.isLookWanted = true
        }
    }

    /// Has it give everything back and end.
    func finish() { wish.change { $0.isFinished = true } }

    /// The vault; nil when there is no use in waiting for it, or nobody waits any more.
    private func open() -> Vault? {
        var pause = 1.0
        while true {
            do {
                return try setup.open()
            } catch let error as PgkeepError where error.code.exit == .unreachable {
                post(.round(.failure(error)))
            } catch {
                post(.hopeless(error))
                return nil
            }
            if isFinished(within: pause) { return nil }
            pause = min(pause * 2, Self.openSecondsMax)
        }
    }

    private func care(for vault: Vault) {
        let care = InstanceCare(
            vault: vault,
            open: setup.open,
            names: wish.read { $0.names },
            clock: setup.clock,
            log: setup.log
        )
        repeat {
            care.names = wish.change { wish in
                wish.isLookWanted = false
                return wish.names
            }
            post(.round(Result { try care.round() }))
        } while !isFinished(within: InstanceCare.roundSeconds)
        care.releaseAll()
    }

    private func isFinished(within seconds: Double) -> Bool {
        wish.wait(seconds: seconds) { wish in
            wish.isFinished || wish.isLookWanted ? wish.isFinished : nil
        } ?? false
    }

    private func post(_ event: SupervisorEvent) { inbox.change { $0.append(event) } }
}
