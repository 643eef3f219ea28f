import Domain

/// Alerts in words.
enum AlertText {
    /// What has happened to an alert, and the command that helps.
    static func change(_ event: Alert.Announcement, _ alert: Alert) -> [String] {
        let next = alert.next.isEmpty || event == .resolved ? [] : ["  → \(alert.next)"]
        return ["\(event.rawValue): \(alert.severity.rawValue) \(alert.id): \(alert.summary)"]
            + next
    }

    /// An open alert in a list of other things.
    static func open(_ alert: Alert) -> [String] {
        let known = alert.state == .acknowledged ? " (acknowledged)" : ""
        return ["alert, \(alert.severity.rawValue)\(known): \(alert.id): \(alert.summary)"]
            + (alert.next.isEmpty ? [] : ["  → \(alert.next)"])
    }
}
