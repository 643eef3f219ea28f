/// All alerts of a vault, what of the world has been taken into account, and what has yet to be
/// delivered: one value, changed as a whole, so that of several hosts that look at once each change
/// is made and told by one.
///
/// Pure: what is seen goes in with the moment, changes come out.
public struct AlertBoard: Hashable, Sendable, Codable {
    /// What has changed, to be told.
    public struct Change: Hashable, Sendable, Encodable {
        /// What has happened to it.
        public var event: Alert.Announcement
        /// The alert as it is now.
        public var alert: Alert
    }

    /// By id.
    public internal(set) var alerts: [Alert] = []
    /// The number of the last entry of the activity log taken in; nil before the first look.
    public var activitySeen: UInt64?
    /// How jobs last ended, by kind and instance.
    public internal(set) var verdicts: [JobVerdict] = []
    /// Jobs that ended before this are in `verdicts`; nil before the first look.
    public internal(set) var jobsSeen: Timestamp?
    /// What channels have to be told, the oldest first, and what they were told lately.
    public internal(set) var deliveries: [AlertDelivery] = []
    /// Announcements so far.
    public internal(set) var announcements: UInt64 = 0
    /// Kinds nobody wants to hear of.
    public internal(set) var disabled: [AlertKind] = []
    /// When the world was first looked at: what was before is not known.
    public internal(set) var begunAt: Timestamp?
    /// When the world was last looked at; kept to within `checkedSeconds`.
    public internal(set) var checkedAt: Timestamp?

    /// Resolved alerts are forgotten after so many days.
    public static let keptDays: Int64 = 30
    /// Seconds between two notes of when the world was last looked at.
    static let checkedSeconds: Double = 600

    private enum CodingKeys: String, CodingKey {
        case alerts, verdicts, deliveries, announcements, disabled
        case activitySeen = "activity_seen"
        case jobsSeen = "jobs_seen"
        case begunAt = "begun_at"
        case checkedAt = "checked_at"
    }

    /// A board on which nothing stands yet.
    public init() {}

    // MARK: Looking at the world

    /// Takes in everything that is not as it should be.
    ///
    /// - Parameters:
    ///   - conditions: all that hold now.
    ///   - events: what has happened since the last look.
    ///   - isUnknown: true for alerts whose condition nobody could look at.
    public mutating func look(
        _ conditions: [AlertCondition],
        events: [AlertCondition] = [],
        now: Timestamp,
        isUnknown: (Alert) -> Bool = { _ in false }
    ) -> [Change] {
        var changes = events.flatMap { happen($0, now: now) }
        let present = Dictionary(conditions.map { ($0.id, $0) }) { first, second in
            second.severity.isWorse(than: first.severity) ? second : first
        }
        // One that is about to resolve explains on: what it hid gets that time to come right, too.
        let parents = Set(conditions.map { Parent(kind: $0.kind, instance: $0.instance) })
            .union(
                alerts.filter(\.isOpen).map { Parent(kind: $0.kind, instance: $0.instance) }
            )
        let known = Set(alerts.map(\.id))
        alerts += present.values.filter { !known.contains($0.id) }.map { Alert($0, now: now) }
        alerts.sort { $0.id < $1.id }
        for index in alerts.indices {
            let alert = alerts[index]
            guard let meaning = AlertCatalogue.explanation(of: alert.kind) else { continue }
            let seen: Alert.Observation
            if disabled.contains(alert.kind) {
                seen = .absent
            } else if isUnknown(alert) {
                seen = .unknown
            } else if let hold = meaning.timing.hold {
                let isOver =
                    alert.state != .open
                    || alert.lastAt.map { now.seconds(since: $0) >= hold } ?? true
                seen = isOver ? .absent : .present(AlertCondition(alert))
            } else if meaning.hiddenBy.contains(where: {
                parents.contains(Parent(kind: $0, instance: alert.instance))
            }) {
                seen = .hidden
            } else {
                seen = present[alert.id].map { .present($0) } ?? .absent
            }
            let event = alerts[index].observe(seen, timing: meaning.timing, now: now)
            // Nobody is told that something happened long ago, or is not wanted any more.
            let isQuiet =
                event == .resolved && (meaning.timing.hold != nil || disabled.contains(alert.kind))
            if let event, !isQuiet { changes.append(Change(event: event, alert: alerts[index])) }
        }
        tidy(now)
        begunAt = begunAt ?? now
        if checkedAt.map({ abs(now.seconds(since: $0)) >= Self.checkedSeconds }) ?? true {
            checkedAt = now
        }
        return changes
    }

    private struct Parent: Hashable {
        var kind: AlertKind
        var instance: InstanceName?
    }

    private mutating func tidy(_ now: Timestamp) {
        let oldest = now.adding(seconds: -Self.keptDays * 86400)
        alerts.removeAll { alert in
            guard alert.state == .resolved else { return false }
            return alert.openings == 0 || alert.resolvedAt.map { $0 < oldest } ?? true
        }
    }

    // MARK: What happens rather than lasts

    /// Takes in that something has happened.
    public mutating func happen(_ event: AlertCondition, now: Timestamp) -> [Change] {
        guard let meaning = AlertCatalogue.explanation(of: event.kind),
            !disabled.contains(event.kind)
        else { return [] }
        let index: Int
        if let known = alerts.firstIndex(where: { $0.id == event.id }) {
            index = known
        } else {
            alerts.append(Alert(event, now: now))
            alerts.sort { $0.id < $1.id }
            index = alerts.firstIndex { $0.id == event.id } ?? 0
        }
        let told = alerts[index].happen(
            event,
            isEachTold: meaning.severity == .security,
            timing: meaning.timing,
            now: now
        )
        return told.map { [Change(event: $0, alert: alerts[index])] } ?? []
    }

    /// Takes back what has happened: it is over. Nothing happens when it is not open.
    public mutating func withdraw(_ id: String, now: Timestamp) -> [Change] {
        guard let index = alerts.firstIndex(where: { $0.id == id && $0.isOpen }),
            var timing = AlertCatalogue.explanation(of: alerts[index].kind)?.timing
        else { return [] }
        timing.resolvesAfter = 0
        guard let event = alerts[index].observe(.absent, timing: timing, now: now) else {
            return []
        }
        return [Change(event: event, alert: alerts[index])]
    }

    // MARK: What people do

    /// Acknowledges the open alert of that id; what it is now, or nil when there is none.
    public mutating func acknowledge(
        _ id: String,
        by actor: String,
        comment: String?,
        now: Timestamp
    ) -> Alert? {
        guard let index = alerts.firstIndex(where: { $0.id == id && $0.isOpen }) else { return nil }
        alerts[index].acknowledge(by: actor, comment: comment, now: now)
        return alerts[index]
    }

    /// Says whether anybody wants to hear of a kind.
    ///
    /// Throws `.refused` for what concerns security.
    public mutating func setEnabled(
        _ explanation: AlertExplanation,
        _ isEnabled: Bool
    ) throws(PgkeepError) {
        guard explanation.canBeDisabled || isEnabled else {
            throw PgkeepError(
                .refused,
                "\(explanation.kind) concerns security and cannot be disabled",
                hint: "acknowledge what you have seen: pgkeep alert ack \(explanation.kind)"
            )
        }
        disabled.removeAll { $0 == explanation.kind }
        if !isEnabled { disabled = (disabled + [explanation.kind]).sorted() }
    }
}
