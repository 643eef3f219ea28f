/// One thing that is or was the matter with one subject: a condition that opened, is seen by
/// somebody, and ends.
///
/// There is one alert for each kind and subject; it opens again when the condition comes back.
public struct Alert: Hashable, Sendable {
    /// Where an alert stands.
    public enum State: String, Hashable, Sendable, Codable, CaseIterable {
        /// The condition was seen, and has not held for long enough to say so.
        case pending
        /// It holds.
        case open
        /// It holds, and somebody said that he knows.
        case acknowledged
        /// It is over.
        case resolved
    }

    /// What of an alert's life people are told.
    public enum Announcement: String, Hashable, Sendable, Codable, CaseIterable {
        /// It has opened.
        case opened
        /// It matters more than was told.
        case worsened
        /// It has happened again.
        case repeated
        /// It is over.
        case resolved
        /// Nothing is the matter; somebody tries a channel.
        case test
    }

    /// Which kind.
    public var kind: AlertKind
    /// What it is about: the instance's name, `vault`, a unit, a channel.
    public var subject: String
    /// The instance, when it is about one.
    public var instance: InstanceName?
    /// How much it matters.
    public var severity: AlertSeverity
    /// Where it stands.
    public internal(set) var state: State
    /// What is the matter, in one line.
    public var summary: String
    /// The command that helps.
    public var next: String
    /// When the condition was first seen, this time.
    public internal(set) var since: Timestamp
    /// When it last opened.
    public internal(set) var openedAt: Timestamp?
    /// Since when the condition has not been seen, while the alert is still open.
    public internal(set) var goneSince: Timestamp?
    /// When it was last over.
    public internal(set) var resolvedAt: Timestamp?
    /// When somebody acknowledged it.
    public internal(set) var acknowledgedAt: Timestamp?
    /// Who did.
    public internal(set) var acknowledgedBy: String?
    /// What he said.
    public internal(set) var comment: String?
    /// When what it says was last changed.
    public internal(set) var updatedAt: Timestamp
    /// For what happens rather than lasts: when it last did.
    public internal(set) var lastAt: Timestamp?
    /// How often it has opened.
    public internal(set) var openings = 0
    /// How often it has happened since it opened.
    public internal(set) var occurrences = 0
    /// The worst that was told of this opening; nil: nothing was.
    public internal(set) var announced: AlertSeverity?
    /// Until when another opening is not told, unless it is worse than `quietSeverity`.
    public internal(set) var quietUntil: Timestamp?
    /// The worst that was told of the opening before.
    public internal(set) var quietSeverity: AlertSeverity?
    /// True while another alert explains this one: it is neither told nor resolved meanwhile.
    public internal(set) var isHidden = false

    /// `kind/subject`.
    public var id: String { "\(kind)/\(subject)" }

    /// True while it holds, whether acknowledged or not.
    public var isOpen: Bool { state == .open || state == .acknowledged }

    /// An alert about a condition just seen.
    init(_ condition: AlertCondition, now: Timestamp) {
        kind = condition.kind
        subject = condition.subject
        instance = condition.instance
        severity = condition.severity
        summary = condition.summary
        next = condition.next
        state = .pending
        since = now
        updatedAt = now
    }
}

extension Alert: Codable {
    private enum CodingKeys: String, CodingKey {
        case id, kind, subject, instance, severity, state, summary, next, since, comment, openings
        case occurrences, announced
        case openedAt = "opened_at"
        case goneSince = "gone_since"
        case resolvedAt = "resolved_at"
        case acknowledgedAt = "acknowledged_at"
        case acknowledgedBy = "acknowledged_by"
        case updatedAt = "updated_at"
        case lastAt = "last_at"
        case quietUntil = "quiet_until"
        case quietSeverity = "quiet_severity"
        case isHidden = "hidden"
    }

    /// Reads it.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        kind = try values.decode(AlertKind.self, forKey: .kind)
        subject = try values.decode(String.self, forKey: .subject)
        instance = try values.decodeIfPresent(InstanceName.self, forKey: .instance)
        severity = try values.decode(AlertSeverity.self, forKey: .severity)
        state = try values.decode(State.self, forKey: .state)
        summary = try values.decode(String.self, forKey: .summary)
        next = try values.decode(String.self, forKey: .next)
        since = try values.decode(Timestamp.self, forKey: .since)
        openedAt = try values.decodeIfPresent(Timestamp.self, forKey: .openedAt)
        goneSince = try values.decodeIfPresent(Timestamp.self, forKey: .goneSince)
        resolvedAt = try values.decodeIfPresent(Timestamp.self, forKey: .resolvedAt)
        acknowledgedAt = try values.decodeIfPresent(Timestamp.self, forKey: .acknowledgedAt)
        acknowledgedBy = try values.decodeIfPresent(String.self, forKey: .acknowledgedBy)
        comment = try values.decodeIfPresent(String.self, forKey: .comment)
        updatedAt = try values.decode(Timestamp.self, forKey: .updatedAt)
        lastAt = try values.decodeIfPresent(Timestamp.self, forKey: .lastAt)
        openings = try values.decode(Int.self, forKey: .openings)
        occurrences = try values.decode(Int.self, forKey: .occurrences)
        announced = try values.decodeIfPresent(AlertSeverity.self, forKey: .announced)
        quietUntil = try values.decodeIfPresent(Timestamp.self, forKey: .quietUntil)
        quietSeverity = try values.decodeIfPresent(AlertSeverity.self, forKey: .quietSeverity)
        isHidden = try values.decodeIfPresent(Bool.self, forKey: .isHidden) ?? false
    }

    /// Writes every key, those without a value too.
    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(id, forKey: .id)
        try values.encode(kind, forKey: .kind)
        try values.encode(subject, forKey: .subject)
        try values.encode(instance, forKey: .instance)
        try values.encode(severity, forKey: .severity)
        try values.encode(state, forKey: .state)
        try values.encode(summary, forKey: .summary)
        try values.encode(next, forKey: .next)
        try values.encode(since, forKey: .since)
        try values.encode(openedAt, forKey: .openedAt)
        try values.encode(goneSince, forKey: .goneSince)
        try values.encode(resolvedAt, forKey: .resolvedAt)
        try values.encode(acknowledgedAt, forKey: .acknowledgedAt)
        try values.encode(acknowledgedBy, forKey: .acknowledgedBy)
        try values.encode(comment, forKey: .comment)
        try values.encode(updatedAt, forKey: .updatedAt)
        try values.encode(lastAt, forKey: .lastAt)
        try values.encode(openings, forKey: .openings)
        try values.encode(occurrences, forKey: .occurrences)
        try values.encode(announced, forKey: .announced)
        try values.encode(quietUntil, forKey: .quietUntil)
        try values.encode(quietSeverity, forKey: .quietSeverity)
        try values.encode(isHidden, forKey: .isHidden)
    }
}
