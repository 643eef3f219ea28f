/// What a channel is told of an alert: as the alert was then.
public struct AlertNotice: Hashable, Sendable, Codable {
    /// Counts the vault's announcements, from 1; the same for all channels.
    public var number: UInt64
    /// What has happened to the alert.
    public var event: Alert.Announcement
    /// The alert's id.
    public var alert: String
    /// Its kind.
    public var kind: AlertKind
    /// What it is about.
    public var subject: String
    /// The instance, when it is about one.
    public var instance: InstanceName?
    /// How much it matters.
    public var severity: AlertSeverity
    /// What is the matter, in one line.
    public var summary: String
    /// The command that helps.
    public var next: String
    /// When it was announced.
    public var at: Timestamp
    /// When the alert opened.
    public var openedAt: Timestamp?
    /// Which of the alert's openings it is about.
    public var opening: Int

    enum CodingKeys: String, CodingKey {
        case number, event, alert, kind, subject, instance, severity, summary, next, at, opening
        case openedAt = "opened_at"
    }

    /// An alert as it is now.
    public init(number: UInt64, event: Alert.Announcement, _ alert: Alert, at now: Timestamp) {
        self.number = number
        self.event = event
        self.alert = alert.id
        kind = alert.kind
        subject = alert.subject
        instance = alert.instance
        severity = alert.severity
        summary = alert.summary
        next = alert.next
        at = now
        openedAt = alert.openedAt
        opening = alert.openings
    }

    /// The same without what may be long, for means that take a few kilobytes.
    public var short: AlertNotice {
        func cut(_ text: String) -> String { String(text.unicodeScalars.prefix(200)) }
        var notice = self
        notice.alert = cut(alert)
        notice.subject = cut(subject)
        notice.summary = cut(summary)
        notice.next = cut(next)
        return notice
    }

    /// A try of a channel.
    public init(testing channel: String, at now: Timestamp) {
        number = 0
        event = .test
        alert = "test/\(channel)"
        kind = AlertKind("test")
        subject = channel
        severity = .info
        summary = "this is a test of the channel \(channel); nothing is the matter"
        next = "pgkeep alert list"
        at = now
        openedAt = nil
        opening = 0
    }
}

/// One announcement on its way to one channel.
public struct AlertDelivery: Hashable, Sendable, Codable {
    /// Where it stands.
    public enum State: String, Hashable, Sendable, Codable, CaseIterable {
        /// It has yet to be delivered.
        case pending
        /// The channel took it.
        case delivered
        /// It was given up after many tries.
        case failed
        /// It was of no use any more: the channel is gone, or all was over when a mute ended.
        case dropped
    }

    /// The channel's name.
    public var channel: String
    /// What it is told.
    public var notice: AlertNotice
    /// Where it stands.
    public internal(set) var state = State.pending
    /// Tries so far.
    public internal(set) var attempts = 0
    /// Not before this; nil: at once.
    public internal(set) var nextAt: Timestamp?
    /// The last try, or when it was dropped.
    public internal(set) var triedAt: Timestamp?
    /// Who is at it; nil when nobody is.
    public internal(set) var claimedBy: String?
    /// Until when nobody else shall try.
    public internal(set) var claimedUntil: Timestamp?
    /// True once a mute has kept it back.
    public internal(set) var isHeld = false
    /// Why the last try failed, in one line.
    public internal(set) var error: String?

    enum CodingKeys: String, CodingKey {
        case channel, notice, state, attempts, error
        case nextAt = "next_at"
        case triedAt = "tried_at"
        case claimedBy = "claimed_by"
        case claimedUntil = "claimed_until"
        case isHeld = "held"
    }

    init(channel: String, notice: AlertNotice) {
        self.channel = channel
        self.notice = notice
    }
}

/// Which announcements a channel wants.
public struct AlertRoute: Hashable, Sendable {
    /// The channel's name.
    public var channel: String
    /// Nothing milder.
    public var minSeverity: AlertSeverity
    /// Only this instance; nil: all, and what is about the vault.
    public var instance: InstanceName?

    /// A channel's wishes.
    public init(
        channel: String,
        minSeverity: AlertSeverity = .warning,
        instance: InstanceName? = nil
    ) {
        self.channel = channel
        self.minSeverity = minSeverity
        self.instance = instance
    }
}

/// A span of time in which people do not want to be told.
public struct AlertMute: Hashable, Sendable, Codable {
    /// From here on.
    public var from: Timestamp
    /// Up to here.
    public var to: Timestamp
    /// Only this channel; nil: all.
    public var channel: String?
    /// Only about this instance; nil: about everything.
    public var instance: InstanceName?
    /// Who does not want it.
    public var by: String
    /// Why.
    public var comment: String?

    /// A span of time, both ends included.
    public init(
        from: Timestamp,
        to: Timestamp,
        channel: String? = nil,
        instance: InstanceName? = nil,
        by: String,
        comment: String? = nil
    ) {
        self.from = from
        self.to = to
        self.channel = channel
        self.instance = instance
        self.by = by
        self.comment = comment
    }

    /// True when `notice` is not to reach `channel` now. What concerns security always is.
    public func covers(_ notice: AlertNotice, to channel: String, now: Timestamp) -> Bool {
        notice.severity != .security && notice.event != .test && from <= now && now <= to
            && self.channel.map { $0 == channel } ?? true
            && instance.map { $0 == notice.instance } ?? true
    }
}
