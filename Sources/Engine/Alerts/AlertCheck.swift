public import Domain
import Platform
import Vaulting

/// One look at everything a vault protects: alerts open, get worse and resolve by it, and what is
/// due for channels is delivered.
///
/// Reads names and records only. Any number of hosts may look at once: the board is changed by
/// compare-and-swap, so that each change is made, and told, by one of them.
public struct AlertCheck {
    /// What a check came to.
    public struct Report: Sendable, Encodable {
        /// What has changed by it.
        public var changes: [AlertBoard.Change]
        /// Alerts that are open now.
        public var open: Int
        /// Deliveries by what became of them, and those that have yet to be made.
        public var delivered = 0
        /// Tries that failed; they are made again.
        public var failed = 0
        /// What waits: for its next try, for the end of a mute.
        public var pending = 0
        /// False when the vault could not be looked at; then `changes` is what this host knows.
        public var vaultReachable = true

        enum CodingKeys: String, CodingKey {
            case changes, open, delivered, failed, pending
            case vaultReachable = "vault_reachable"
        }
    }

    private let context: JobContext

    /// What was read must not be older than this when it is judged.
    private static let freshSeconds: Double = 60

    /// A check of the context's vault.
    public init(_ context: JobContext) { self.context = context }

    /// Looks, and writes down what has changed. Durable on return.
    public func run() throws -> Report {
        let routes = try Channels.routes(context)
        var board = try AlertRecord.read(context)
        var survey = try AlertSurvey(context, board)
        var readAt = context.clock.monotonicSeconds
        let changes = try AlertRecord.change(context) { current in
            // Another host was faster; what it has done may have taken long.
            if context.clock.monotonicSeconds - readAt > Self.freshSeconds {
                survey = try AlertSurvey(context, current)
                readAt = context.clock.monotonicSeconds
            }
            let now = context.clock.now
            let changes = survey.judge(&current, now: now)
            current.announce(changes, to: routes, now: now)
            current.tidyDeliveries(now: now)
            board = current
            return changes
        }
        return Report(
            changes: changes,
            open: board.alerts.count(where: \.isOpen),
            pending: board.deliveries.count { $0.state == .pending }
        )
    }
}
