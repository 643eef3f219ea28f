public import Domain
import Platform
import Vaulting

/// The alerts of a vault, as commands and the agent name them.
public enum Alerts {
    /// The alerts that are open, the worst and oldest first; with `all` also those that may open
    /// soon and those that were over in the last 30 days, the latest first.
    ///
    /// Reads one record.
    public static func list(
        _ context: JobContext,
        all: Bool = false,
        instance: InstanceName? = nil
    ) throws -> [Alert] {
        try AlertRecord.read(context).alerts
            .filter { alert in
                (all || alert.isOpen) && (instance.map { $0 == alert.instance } ?? true)
            }
            .sorted(by: isBefore)
    }

    /// When the world was last looked at, to within ten minutes; nil: never.
    public static func checkedAt(_ context: JobContext) throws -> Timestamp? {
        try AlertRecord.read(context).checkedAt
    }

    private static func isBefore(_ left: Alert, _ right: Alert) -> Bool {
        guard left.isOpen == right.isOpen else { return left.isOpen }
        if left.isOpen {
            return (left.severity, left.openedAt ?? left.since, left.id)
                < (right.severity, right.openedAt ?? right.since, right.id)
        }
        return left.updatedAt > right.updatedAt
    }

    /// The one alert whose id is or begins with `text`.
    ///
    /// Throws `.notFound` when there is none, `.usage` when there are several.
    public static func find(_ context: JobContext, _ text: String) throws -> Alert {
        try find(text, in: try list(context, all: true))
    }

    private static func find(_ text: String, in alerts: [Alert]) throws -> Alert {
        if let exact = alerts.first(where: { $0.id == text }) { return exact }
        let found = text.isEmpty ? [] : alerts.filter { $0.id.hasPrefix(text) }
        guard let alert = found.first else {
            throw PgkeepError(
                .notFound,
                "there is no alert \(text)",
                hint: "list them with pgkeep alert list --all"
            )
        }
        guard found.count == 1 else {
            throw PgkeepError(
                .usage,
                "\(found.count) alerts begin with \(text): "
                    + found.prefix(4).map(\.id).joined(separator: ", "),
                hint: "give more of the one you mean"
            )
        }
        return alert
    }

    /// Says that somebody knows of an open alert: what it is now. Durable on return.
    ///
    /// Throws `.notFound`, `.refused` for one that is not open.
    public static func acknowledge(
        _ context: JobContext,
        _ text: String,
        comment: String?
    ) throws -> Alert {
        try AlertRecord.change(context) { board in
            let open = board.alerts.filter(\.isOpen)
            let alert = try open.isEmpty ? find(text, in: board.alerts) : orAny(text, open, board)
            guard
                let known = board.acknowledge(
                    alert.id,
                    by: ActivityLog.actor,
                    comment: comment.map(Redaction.withoutPasswords),
                    now: context.clock.now
                )
            else {
                throw PgkeepError(
                    .refused,
                    "the alert \(alert.id) is not open (\(alert.state.rawValue))",
                    hint: "list those that are: pgkeep alert list"
                )
            }
            return known
        }
    }

    /// Open ones come first, so that a beginning need not tell them from those that are over.
    private static func orAny(_ text: String, _ open: [Alert], _ board: AlertBoard) throws -> Alert
    {
        do {
            return try find(text, in: open)
        } catch let error as PgkeepError where error.code == .notFound {
            return try find(text, in: board.alerts)
        }
    }

    /// Takes in that something has happened that only the caller knows of, such as a child that
    /// ends again and again. It is told by the next check. Durable on return.
    public static func raise(_ context: JobContext, _ event: AlertCondition) throws {
        let routes = try Channels.routes(context)
        try AlertRecord.change(context) { board in
            let now = context.clock.now
            board.announce(board.happen(event, now: now), to: routes, now: now)
        }
    }

    /// Takes back what `raise` has told: it is over. Does nothing when it is not open.
    public static func withdraw(
        _ context: JobContext,
        _ kind: AlertKind,
        subject: String
    ) throws {
        let routes = try Channels.routes(context)
        try AlertRecord.change(context) { board in
            let now = context.clock.now
            board.announce(board.withdraw("\(kind)/\(subject)", now: now), to: routes, now: now)
        }
    }

    /// Says whether anybody wants to hear of a kind of alert; an entry goes into the activity log.
    ///
    /// Throws `.notFound`, `.refused` for what concerns security.
    public static func setEnabled(
        _ context: JobContext,
        _ kind: String,
        _ isEnabled: Bool
    ) throws -> [AlertKind] {
        let explanation = try AlertCatalogue.explain(kind)
        let disabled = try AlertRecord.change(context) { board in
            try board.setEnabled(explanation, isEnabled)
            return board.disabled
        }
        try ActivityLog(context.vault, context.clock).append(
            action: isEnabled ? "alert.enable" : "alert.disable",
            details: ["kind": explanation.kind.name]
        )
        return disabled
    }
}
