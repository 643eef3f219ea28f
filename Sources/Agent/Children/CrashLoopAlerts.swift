import Domain
import Engine
import Logging
import Platform
import Vaulting

/// Tells of children that fail again and again, and takes it back when they no longer do.
///
/// On a thread of its own: the vault may hang, and whoever supervises must not.
final class CrashLoopAlerts: Sendable {
    private enum Task: Sendable {
        case change(AgentReport.Child, subject: String, isLoop: Bool)
        case end
    }

    private let tasks = Condition<[Task]>([])
    private let open: @Sendable () throws -> Vault
    private let clock: any Clock
    private let log: Logger

    /// Seconds a child must have run before it is said to be well again.
    static let wellSeconds = 60.0

    init(_ setup: Supervisor.Setup) {
        open = setup.open
        clock = setup.clock
        log = setup.log
    }

    func start() {
        _ = Thread("crash-alerts") { [self] in
            while case .change(let child, let subject, let isLoop) = next() {
                tell(child, subject, isLoop)
            }
        }
    }

    func finish() { tasks.change { $0.append(.end) } }

    /// Takes in how the children are; `told` is what was told of each so far, by its subject.
    ///
    /// Nothing is known of what an agent before this one has told, so a child's first good run
    /// takes back whatever that was.
    func look(_ children: [AgentReport.Child], _ told: inout [String: Bool], now: Timestamp) {
        for child in children {
            let subject = child.command.prefix { !$0.hasPrefix("-") }.joined(separator: " ")
            let isLoop: Bool? =
                switch child.state {
                case .crashLoop: true
                case .waiting: false
                case .backingOff: nil
                case .running:
                    child.startedAt.map { now.seconds(since: $0) > Self.wellSeconds } == true
                        ? false : nil
                }
            guard let isLoop, told[subject] != isLoop else { continue }
            told[subject] = isLoop
            tasks.change { $0.append(.change(child, subject: subject, isLoop: isLoop)) }
        }
    }

    private func next() -> Task {
        tasks.wait { tasks in tasks.isEmpty ? nil : tasks.removeFirst() }
    }

    private func tell(_ child: AgentReport.Child, _ subject: String, _ isLoop: Bool) {
        do {
            let context = JobContext(vault: try open(), clock: clock, log: log)
            if isLoop {
                let reason = child.lastFailure ?? "no reason told"
                let condition = AlertCondition(
                    .crashLoop,
                    instance: child.instance,
                    subject: subject,
                    "pgkeep \(subject) fails again and again: \(reason)",
                    next: "run pgkeep \(subject) by hand and see what it says"
                )
                try Alerts.raise(context, condition)
            } else {
                try Alerts.withdraw(context, .crashLoop, subject: subject)
            }
        } catch {
            log.warning("a crash loop could not be told", metadata: ["reason": "\(error)"])
        }
    }
}
