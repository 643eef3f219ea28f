public import Domain

/// Alerts: the answer of `alert list`.
public struct AlertListing: Sendable, Encodable {
    /// The open ones, the worst and oldest first; when all are asked for then the others.
    public var alerts: [Alert]
    /// When somebody last looked; nil when nobody ever did.
    public var checkedAt: Timestamp?

    private enum CodingKeys: String, CodingKey {
        case alerts
        case checkedAt = "checked_at"
    }

    /// Writes every key, unknown values as null.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(alerts, forKey: .alerts)
        try container.encode(checkedAt, forKey: .checkedAt)
    }

    /// Reads the alerts that are open; with `all` also those that may open soon or are over.
    public static func read(
        _ context: JobContext,
        all: Bool = false,
        instance: InstanceName? = nil
    ) throws -> AlertListing {
        AlertListing(
            alerts: try Alerts.list(context, all: all, instance: instance),
            checkedAt: try Alerts.checkedAt(context)
        )
    }
}
