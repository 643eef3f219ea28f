import Domain
import Postgres

/// What pg_waldump prints of the records that matter, and the walker's events in the same words.
enum WALDump {
    /// Lines of pg_waldump as the walker should report them, in WAL order.
    static func expected(_ text: String) -> [String] {
        text.split(separator: "\n").compactMap { line($0) }
    }

    /// Events in the words of `expected`.
    static func found(_ events: [WALEvent]) -> [String] { events.map { describe($0) } }

    private static func describe(_ event: WALEvent) -> String {
        let what =
            switch event.kind {
            case .transactionEnd(let record):
                "\(record.isCommit ? "COMMIT" : "ABORT") \(record.xid) \(record.time)"
            case .restorePoint(let name, _): "RESTORE_POINT \(name)"
            case .checkpoint(let checkpoint):
                "CHECKPOINT_\(checkpoint.isOnline == true ? "ONLINE" : "SHUTDOWN")"
                    + " \(checkpoint.redo) \(checkpoint.timeline) \(checkpoint.previousTimeline)"
                    + " \(checkpoint.nextXID >> 32):\(checkpoint.nextXID & 0xffff_ffff)"
            case .endOfRecovery(let timeline, let previous, let time):
                "END_OF_RECOVERY \(timeline) \(previous) \(time)"
            case .parameterChange(let settings, _):
                "PARAMETER_CHANGE "
                    + settings.settings.map { String($0.value) }.joined(separator: " ")
            case .tablespaceCreated(let oid, let path, _): "TABLESPACE \(oid) \"\(path)\""
            case .backupEnd(let start): "BACKUP_END \(start)"
            case .segmentSwitch: "SWITCH"
            case .overwroteRecord(let lost): "OVERWRITE_CONTRECORD \(lost)"
            }
        return "\(event.start) \(what)"
    }

    // rmgr: Transaction len (rec/tot): 34/34, tx: 735, lsn: 0/00D000A8, prev 0/00D00068, desc: …
    private static func line(_ line: Substring) -> String? {
        guard let start = field(line, "lsn: ").flatMap({ LSN($0) }),
            let description = after(line, "desc: ")
        else { return nil }
        let words = description.split(separator: " ")
        guard let name = words.first else { return nil }
        let rest = description.dropFirst(name.utf8.count + 1)
        guard let what = record(String(name), rest, field(line, "tx:") ?? "") else { return nil }
        return "\(start) \(what)"
    }

    private static func record(_ name: String, _ rest: Substring, _ xid: Substring) -> String? {
        switch name {
        case "COMMIT", "ABORT":
            return "\(name) \(xid) \(time(rest))"
        case "COMMIT_PREPARED", "ABORT_PREPARED":
            let parts = rest.split(separator: ":", maxSplits: 1)
            return "\(name.split(separator: "_")[0]) \(parts[0]) \(time(parts[1]))"
        case "RESTORE_POINT": return "\(name) \(rest)"
        case "SWITCH": return name
        case "CHECKPOINT_ONLINE", "CHECKPOINT_SHUTDOWN":
            return name + " \(lsn(field(rest, "redo "))) \(field(rest, "; tli ") ?? "")"
                + " \(field(rest, "prev tli ") ?? "") \(field(rest, "; xid ") ?? "")"
        case "END_OF_RECOVERY":
            return name + " \(field(rest, "tli ") ?? "") \(field(rest, "prev tli ") ?? "")"
                + " \(time(after(rest, "time ") ?? ""))"
        case "PARAMETER_CHANGE":
            let names = [
                "max_connections=", "max_worker_processes=", "max_wal_senders=",
                "max_prepared_xacts=", "max_locks_per_xact=",
            ]
            return name + " " + names.map { String(field(rest, $0) ?? "") }.joined(separator: " ")
        // Relations are created too, by paths without quotes.
        case "CREATE" where rest.contains("\""): return "TABLESPACE \(rest)"
        case "BACKUP_END": return "\(name) \(lsn(rest))"
        case "OVERWRITE_CONTRECORD": return "\(name) \(lsn(field(rest, "lsn ")))"
        default: return nil
        }
    }

    private static func after(_ text: Substring, _ key: String) -> Substring? {
        var rest = text
        while !rest.isEmpty {
            if rest.hasPrefix(key) { return rest.dropFirst(key.utf8.count) }
            rest = rest.dropFirst()
        }
        return nil
    }

    private static func field(_ text: Substring, _ key: String) -> Substring? {
        after(text, key)?.drop { $0 == " " }.prefix { $0 != " " && $0 != "," && $0 != ";" }
    }

    // Zeros in front vary with the release.
    private static func lsn(_ text: Substring?) -> String {
        text.flatMap { LSN($0) }.map(\.description) ?? "?"
    }

    private static func time(_ text: Substring) -> String {
        let words = text.split(separator: " ").prefix(2).joined(separator: " ")
        return Timestamp(words).map(\.description) ?? "? \(words)"
    }
}
