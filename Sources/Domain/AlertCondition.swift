/// Something that is not as it should be, seen now: what an alert is made of.
public struct AlertCondition: Hashable, Sendable {
    /// Which kind.
    public var kind: AlertKind
    /// What it is about: the instance's name, `vault`, a unit, a channel.
    public var subject: String
    /// The instance, when it is about one.
    public var instance: InstanceName?
    /// How much it matters now.
    public var severity: AlertSeverity
    /// What is the matter, in one line, without secrets.
    public var summary: String
    /// The command that helps.
    public var next: String

    /// A condition; its severity is the kind's unless told otherwise.
    public init(
        _ kind: AlertKind,
        instance: InstanceName? = nil,
        subject: String? = nil,
        severity: AlertSeverity? = nil,
        _ summary: String,
        next: String = ""
    ) {
        self.kind = kind
        self.instance = instance
        self.subject = subject ?? instance?.description ?? "vault"
        self.severity =
            severity ?? AlertCatalogue.explanation(of: kind)?.severity ?? .warning
        self.summary = summary
        self.next = next
    }

    /// The condition an alert was last seen in.
    init(_ alert: Alert) {
        kind = alert.kind
        subject = alert.subject
        instance = alert.instance
        severity = alert.severity
        summary = alert.summary
        next = alert.next
    }

    /// `kind/subject`: the alert it belongs to.
    public var id: String { "\(kind)/\(subject)" }
}
