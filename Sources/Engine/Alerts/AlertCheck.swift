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
        /// Deliveries made.
        public var delivered = 0
        /// Tries that failed; they are made again.
        public var failed = 0
        /// What waits: for its next try, for the end of a mute.
        public var pending = 0
        /// False when the vault could not be looked at; then the rest is what this host knows.
        public var vaultReachable = true

        enum CodingKeys: String, CodingKey {
            case changes, open, delivered, failed, pending
            case vaultReachable = "vault_reachable"
        }
    }

    /// Brings parcels to their channels; how each ended, in their order.
    public typealias Deliver = ([AlertParcel]) throws -> [AlertBoard.Outcome]

    private let context: JobContext
    private let deliver: Deliver

    /// What was read must not be older than this when it is judged.
    private static let freshSeconds: Double = 60

    /// A check of the context's vault; `deliver` is called at most once, when something is due.
    public init(_ context: JobContext, deliver: @escaping Deliver) {
        self.context = context
        self.deliver = deliver
    }

    /// Looks, writes down what has changed, and delivers.
    ///
    /// What is to be told is durable before the first try, and tried again by a later check, of any
    /// host, until a channel takes it: killed anywhere, nothing is lost, and at most what was being
    /// delivered is told twice.
    ///
    /// - Parameters:
    ///   - events: what has happened that only the caller knows of.
    ///   - withdrawn: ids of alerts that are over, as only the caller knows.
    public func run(
        events: [AlertCondition] = [],
        withdrawn: [String] = []
    ) throws -> Report {
        let channels = Dictionary(try Channels.list(context).map { ($0.name, $0) }) { $1 }
        let routes = channels.values.map(\.route).sorted { $0.channel < $1.channel }
        let mutes = try Channels.mutes(context).map(\.mute)
        let claimant = "\(ActivityLog.actor)/\(UInt64.random(in: 0...UInt64.max))"
        var events = events
        if try AlertRecord.mend(context) { events.append(Self.damage) }
        var board = try AlertRecord.read(context)
        var survey = try AlertSurvey(context, board)
        var readAt = context.clock.monotonicSeconds
        let (changes, claimed) = try AlertRecord.change(context) { current in
            // Another host was faster; what it has done may have taken long.
            if context.clock.monotonicSeconds - readAt > Self.freshSeconds {
                survey = try AlertSurvey(context, current)
                readAt = context.clock.monotonicSeconds
            }
            let now = context.clock.now
            var changes = events.flatMap { current.happen($0, now: now) }
            changes += withdrawn.flatMap { current.withdraw($0, now: now) }
            changes += survey.judge(&current, now: now)
            current.announce(changes, to: routes, now: now)
            let claimed = current.claim(
                claimant,
                channels: Set(channels.keys),
                mutes: mutes,
                now: now
            )
            current.tidyDeliveries(now: now)
            board = current
            return (changes, claimed)
        }
        var report = Report(changes: changes, open: board.alerts.count(where: \.isOpen))
        let parcels = claimed.compactMap { delivery in
            channels[delivery.channel].map { AlertParcel(channel: $0, notice: delivery.notice) }
        }
        if !parcels.isEmpty {
            let outcomes = try deliver(parcels)
            board = try AlertRecord.change(context) { current in
                Self.note(outcomes, of: parcels, by: claimant, in: &current, context.clock.now)
                return current
            }
            report.count(outcomes)
        }
        report.pending = board.deliveries.count { $0.state == .pending }
        return report
    }

    /// Told with every channel that takes warnings: it may have been done to silence alerts.
    private static let damage = AlertCondition(
        .guardChanged,
        "the record of alerts was damaged, and goes on from an earlier state",
        next: "pgkeep vault check"
    )

    /// Notes how tries ended.
    static func note(
        _ outcomes: [AlertBoard.Outcome],
        of parcels: [AlertParcel],
        by claimant: String,
        in board: inout AlertBoard,
        _ now: Timestamp
    ) {
        for (parcel, outcome) in zip(parcels, outcomes) {
            board.note(
                outcome,
                of: parcel.notice.number,
                on: parcel.channel.name,
                by: claimant,
                now: now
            )
        }
    }
}

extension AlertCheck.Report {
    /// Counts how tries ended.
    mutating func count(_ outcomes: [AlertBoard.Outcome]) {
        for outcome in outcomes {
            switch outcome {
            case .delivered: delivered += 1
            case .failed: failed += 1
            case .untried: break
            }
        }
    }
}
