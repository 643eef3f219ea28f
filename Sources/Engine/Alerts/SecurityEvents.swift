import Domain
import Vaulting

/// What of the activity log concerns security: told whatever people have muted or disabled.
enum SecurityEvents {
    /// Entries looked at in one go; the rest is for the next look.
    static let entriesMax = 1000

    /// The kind of alert an entry is a reason for; nil for ordinary work.
    static func kind(of entry: ActivityEntry) -> AlertKind? {
        switch entry.action {
        case "instance.delete", "backup.delete": .dataDeletion
        case "instance.purge": .dataPurged
        case "instance.stop": .protectionStopped
        case "instance.lock", "instance.unlock", "vault.immutability", "hold.release":
            .guardChanged
        case "policy.set", "instance.change-policy", "policy.limits":
            entry.details["shorter"] == "true" ? .retentionShortened : nil
        case "vault.key-add", "vault.key-remove", "vault.key-rotate": .keysChanged
        case "notify.add", "notify.remove", "notify.mute", "alert.disable": .channelsChanged
        default: nil
        }
    }

    /// What an entry is a reason for; nil for ordinary work.
    static func event(_ entry: ActivityEntry) -> AlertCondition? {
        guard let kind = kind(of: entry) else { return nil }
        var words = "\(entry.actor): \(entry.action)"
        if let instance = entry.instance { words += " \(instance)" }
        let details = entry.details.filter { $0.key != "shorter" && !$0.value.isEmpty }
            .sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        if !details.isEmpty { words += " (\(details.joined(separator: "; ")))" }
        if let reason = entry.reason, !reason.isEmpty { words += ", reason: \(reason)" }
        let line = words.split(whereSeparator: \.isNewline).joined(separator: " ")
        return AlertCondition(
            kind,
            instance: entry.instance,
            String(line.prefix(500)),
            next: "pgkeep activity list"
        )
    }

    /// Several entries of one look about one subject are one event: the newest, with their number.
    static func joined(_ events: [AlertCondition]) -> [AlertCondition] {
        var order: [String] = []
        var groups: [String: (last: AlertCondition, count: Int)] = [:]
        for event in events {
            if groups[event.id] == nil { order.append(event.id) }
            groups[event.id] = (event, (groups[event.id]?.count ?? 0) + 1)
        }
        return order.compactMap { id in
            guard let group = groups[id] else { return nil }
            var last = group.last
            let count = group.count
            if count > 1 { last.summary += "; \(count - 1) more" }
            return last
        }
    }
}
