/// What one kind of alert means: what `alert explain` tells, and the table in Alerts.md.
public struct AlertExplanation: Hashable, Sendable, Encodable {
    /// The stable name.
    public let kind: AlertKind
    /// How much it matters when it opens; it may get worse, never milder than told.
    public let severity: AlertSeverity
    /// When it opens, resolves and stays quiet.
    public let timing: AlertTiming
    /// What led to it, in one line.
    public let cause: String
    /// What to do, in one line; an alert's own next step is more precise.
    public let action: String
    /// While one of these holds or is open for the same instance, this one says nothing of its own.
    public let hiddenBy: [AlertKind]

    /// False for what concerns security: it cannot be disabled or muted.
    public var canBeDisabled: Bool { severity != .security }

    init(
        _ kind: AlertKind,
        _ severity: AlertSeverity,
        _ timing: AlertTiming,
        hiddenBy: [AlertKind] = [],
        _ cause: String,
        _ action: String
    ) {
        self.kind = kind
        self.severity = severity
        self.timing = timing
        self.cause = cause
        self.action = action
        self.hiddenBy = hiddenBy
    }

    private enum CodingKeys: String, CodingKey {
        case kind, severity, cause, action
        case opensAfterSeconds = "opens_after_seconds"
        case resolvesAfterSeconds = "resolves_after_seconds"
        case quietSeconds = "quiet_seconds"
        case holdSeconds = "hold_seconds"
        case hiddenBy = "hidden_by"
        case canBeDisabled = "can_be_disabled"
    }

    /// Writes every key.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(kind, forKey: .kind)
        try container.encode(severity, forKey: .severity)
        try container.encode(cause, forKey: .cause)
        try container.encode(action, forKey: .action)
        try container.encode(timing.opensAfter, forKey: .opensAfterSeconds)
        try container.encode(timing.resolvesAfter, forKey: .resolvesAfterSeconds)
        try container.encode(timing.quiet, forKey: .quietSeconds)
        try container.encode(timing.hold, forKey: .holdSeconds)
        try container.encode(hiddenBy, forKey: .hiddenBy)
        try container.encode(canBeDisabled, forKey: .canBeDisabled)
    }
}

/// When an alert opens, resolves, and may be told again; in seconds.
public struct AlertTiming: Hashable, Sendable {
    /// A condition must have held for so long before the alert opens.
    public var opensAfter: Double
    /// It must have been gone for so long before the alert resolves.
    public var resolvesAfter: Double
    /// Opened again within so long of its end, it is not told again, unless it is worse.
    public var quiet: Double
    /// For what happens rather than lasts: how long it stays open, unless it is acknowledged or
    /// withdrawn. Nil for conditions.
    public var hold: Double?

    /// Timing of a condition, or with `hold` of an event.
    public init(
        opensAfter: Double = 0,
        resolvesAfter: Double = 0,
        quiet: Double = 3600,
        hold: Double? = nil
    ) {
        self.opensAfter = opensAfter
        self.resolvesAfter = resolvesAfter
        self.quiet = quiet
        self.hold = hold
    }

    /// Something that happened and somebody must see: each time is told, for a week.
    static let security = AlertTiming(quiet: 0, hold: 7 * 86400)
    /// Something told by others, which may end without a word.
    static let told = AlertTiming(hold: 86400)
}

/// Every kind of alert there is, with its cause and what to do.
///
/// A test compares the list with the kinds in the sources and with Alerts.md.
public enum AlertCatalogue {
    /// All kinds, in the order of their groups.
    public static let all: [AlertExplanation] = security + critical + warnings

    private static let known = Dictionary(uniqueKeysWithValues: all.map { ($0.kind, $0) })

    /// What is known of `kind`; nil for one a newer program wrote.
    public static func explanation(of kind: AlertKind) -> AlertExplanation? { known[kind] }

    /// What the kind called `name` means.
    ///
    /// Throws `.notFound` for a name that is no kind, with those that look like it.
    public static func explain(_ name: String) throws(PgkeepError) -> AlertExplanation {
        let wanted = name.lowercased()
        if let found = known[AlertKind(wanted)] { return found }
        let near = all.map(\.kind.name).filter { kind in
            !wanted.isEmpty
                && (kind.hasPrefix(wanted) || kind.split(separator: "-").contains { $0 == wanted })
        }
        throw PgkeepError(
            .notFound,
            "there is no kind of alert \"\(name)\"",
            hint: near.isEmpty
                ? "list them with pgkeep alert explain --all"
                : "did you mean \(near.joined(separator: " or "))?"
        )
    }

    private static let security: [AlertExplanation] = [
        AlertExplanation(
            .dataDeletion,
            .security,
            .security,
            "somebody deleted an instance, or recovery points by hand",
            "see who and why: activity list; take it back while it can be: instance undelete NAME"
        ),
        AlertExplanation(
            .purgeSoon,
            .security,
            AlertTiming(quiet: 0),
            "an instance in the trash is deleted for good within two days",
            "if that is a mistake: instance undelete NAME"
        ),
        AlertExplanation(
            .dataPurged,
            .security,
            .security,
            "the data of an instance in the trash was deleted for good",
            "nothing brings it back; see who asked for it: activity list"
        ),
        AlertExplanation(
            .guardChanged,
            .security,
            .security,
            "a lock of an instance, or the immutability of the vault, was changed",
            "see who and why: activity list; put it back: instance lock, vault immutability"
        ),
        AlertExplanation(
            .retentionShortened,
            .security,
            .security,
            "a policy, an instance's policy, or the limits of policies were changed to keep less",
            "see who and why: activity list; put it back before prune runs: policy set"
        ),
        AlertExplanation(
            .protectionStopped,
            .security,
            .security,
            "somebody ended the protection of an instance",
            "see who and why: activity list; take it up again: instance resume NAME"
        ),
        AlertExplanation(
            .keysChanged,
            .security,
            .security,
            "a key of the vault was added or removed, or its keys were rotated",
            "if nobody of yours did that: vault key list, vault key remove, vault key rotate"
        ),
        AlertExplanation(
            .channelsChanged,
            .security,
            .security,
            "a channel of notifications was added or removed, or they were muted",
            "see who and why: activity list; put it back: notify list, notify add"
        ),
    ]

    private static let critical: [AlertExplanation] = [
        AlertExplanation(
            .backupFailed,
            .critical,
            AlertTiming(),
            hiddenBy: [.sourceAway],
            "the last backup of an instance failed, and none has been made since",
            "read why: job list --kind backup, job show ID; then backup create NAME"
        ),
        AlertExplanation(
            .backupOverdue,
            .critical,
            AlertTiming(),
            hiddenBy: [.sourceAway],
            "no backup was made for two intervals of the policy, or none at all for a day",
            "see that backup run-due or the agent runs, then backup create NAME"
        ),
        AlertExplanation(
            .rpoBreach,
            .critical,
            AlertTiming(resolvesAfter: 60),
            hiddenBy: [.sourceAway, .streamDown, .slotLost],
            "the vault lacks WAL the server has written for longer than the policy's RPO (300 s)",
            "wal status NAME; look at the network, the vault's storage and the load of both hosts"
        ),
        AlertExplanation(
            .walGap,
            .critical,
            AlertTiming(),
            "WAL behind the newest backup is missing: nothing after the gap can be restored",
            "backup create NAME at once: the window goes on with it"
        ),
        AlertExplanation(
            .windowGap,
            .critical,
            // What a slot still keeps is fetched by the next stream, and then it was none.
            AlertTiming(opensAfter: 60),
            "WAL is missing for good: moments within the window cannot be restored",
            "window show NAME says which; find out why nobody streamed then, and alert ack it"
        ),
        AlertExplanation(
            .slotLost,
            .critical,
            AlertTiming(resolvesAfter: 60),
            "the server dropped or invalidated the slot, or removed WAL the vault lacks",
            "wal stream NAME --accept-gap, then backup create NAME; raise max_slot_wal_keep_size"
        ),
        AlertExplanation(
            .streamDown,
            .critical,
            AlertTiming(resolvesAfter: 60),
            hiddenBy: [.sourceAway, .slotLost, .crashLoop],
            "no WAL stream runs, and none has fetched WAL for 15 minutes",
            "start the agent, wal stream NAME as a service, or the line for cron"
        ),
        AlertExplanation(
            .damageFound,
            .critical,
            AlertTiming(),
            "a check found damaged or missing objects: some points or WAL cannot be restored",
            "vault check names what is hit; backup create NAME stores damaged pages anew"
        ),
        AlertExplanation(
            .vaultUnreachable,
            .critical,
            AlertTiming(opensAfter: 60, resolvesAfter: 60),
            "the vault cannot be reached, read or written from this host",
            "mount or mend its storage; backups and WAL wait meanwhile"
        ),
        AlertExplanation(
            .keyUnusable,
            .critical,
            AlertTiming(opensAfter: 60, resolvesAfter: 60),
            "the vault's key cannot be read on this host, or does not open the vault",
            "see that the key file or passphrase source is there and is the right one"
        ),
        AlertExplanation(
            .crashLoop,
            .critical,
            .told,
            "a process the agent keeps running ends again and again",
            "run the command it names by hand, and read its job: job list"
        ),
        AlertExplanation(
            .drillFailed,
            .critical,
            AlertTiming(),
            "the last restore drill failed: the point or the WAL it restored may be of no use",
            "drill list; read its job, then run it again: drill run NAME"
        ),
        AlertExplanation(
            .unitFailed,
            .critical,
            .told,
            "a service or a line of a crontab ended with a failure and said so: notify failure",
            "read its log (journalctl -u UNIT); notify recovered UNIT ends the alert"
        ),
    ]

    private static let warnings: [AlertExplanation] = [
        AlertExplanation(
            .slotBloat,
            .warning,
            AlertTiming(opensAfter: 60, resolvesAfter: 300),
            hiddenBy: [.slotLost],
            "the server keeps much WAL for the slot, which may fill its disk or cost the slot",
            "let the stream catch up: wal status NAME; see max_slot_wal_keep_size"
        ),
        AlertExplanation(
            .vaultSpaceLow,
            .warning,
            AlertTiming(resolvesAfter: 300),
            "the vault's storage is full in less than 14 days; critical: in less than 2, or at 1 %",
            "give it more space, or keep less: vault forecast, vault prune"
        ),
        AlertExplanation(
            .clockSkew,
            .warning,
            AlertTiming(opensAfter: 60, resolvesAfter: 300),
            hiddenBy: [.sourceAway, .streamDown],
            "clocks of server, streaming host and this one differ by a minute, or one has jumped",
            "let all of them follow one time service (chrony, systemd-timesyncd)"
        ),
        AlertExplanation(
            .drillStale,
            .warning,
            AlertTiming(),
            "no restore drill succeeded for longer than the policy's --drill-days",
            "drill run NAME, or have drill run-due run from cron or the agent"
        ),
        AlertExplanation(
            .quotaExceeded,
            .warning,
            AlertTiming(resolvesAfter: 300, quiet: 86400),
            "an instance takes more of the vault than its quota; its backups go on all the same",
            "keep less, or raise it: vault quota NAME VALUE"
        ),
        AlertExplanation(
            .sourceAway,
            .warning,
            AlertTiming(opensAfter: 300, resolvesAfter: 60),
            hiddenBy: [.slotLost],
            "the server is out of reach; info: it was stopped; critical: with WAL outstanding",
            "see that it runs and can be reached: doctor --instance NAME; nothing expires meanwhile"
        ),
        AlertExplanation(
            .upkeepFailed,
            .warning,
            AlertTiming(),
            "the last vault check or vault prune failed for another reason than damage",
            "read why: job list --kind check, job list --kind prune; then run it again"
        ),
        AlertExplanation(
            .deliveryFailed,
            .warning,
            AlertTiming(),
            "a channel did not take a notification three times in a row; tries go on for hours",
            "notify test NAME says why; what waits for it: notify list"
        ),
        AlertExplanation(
            .backupSkipped,
            .info,
            AlertTiming(),
            hiddenBy: [.sourceAway, .backupOverdue],
            "the last backup that was due was skipped: the server was stopped, or another ran",
            "nothing, unless it goes on: it is made up by the next run"
        ),
    ]
}
