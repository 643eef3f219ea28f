import Domain

/// The figures of status and usage as a text that monitoring systems scrape: one line each,
/// `name{label="value"} number`, with `# HELP` and `# TYPE` before.
public enum Metrics {
    /// The text, from what `status` and `vault usage` tell.
    public static func text(_ status: StatusReport, _ usage: UsageReport) -> String {
        var lines: [String] = []
        func family(_ name: String, _ help: String, _ samples: [(labels: String, value: String)]) {
            guard !samples.isEmpty else { return }
            lines += ["# HELP pgkeep_\(name) \(help)", "# TYPE pgkeep_\(name) gauge"]
            lines += samples.map { "pgkeep_\(name){\($0.labels)} \($0.value)" }
        }
        family(
            "vault_used_bytes",
            "Bytes an instance takes in the vault, by kind.",
            usage.instances.flatMap { instance in
                [
                    ("base", instance.baseBytes), ("wal", instance.walBytes),
                    ("meta", instance.metaBytes),
                ].map { ("instance=\"\(instance.name)\",kind=\"\($0)\"", "\($1)") }
            }
        )
        family(
            "vault_quota_bytes",
            "Bytes an instance may take before it is said.",
            usage.instances.map { ("instance=\"\($0.name)\"", "\($0.cost.quotaBytes)") }
        )
        family(
            "growth_bytes_per_day",
            "Bytes later backups and WAL add in a day, the mean of the last week.",
            usage.instances.map { ("instance=\"\($0.name)\"", "\($0.growthPerDay)") }
        )
        family(
            "protection_state",
            "1 for the state an instance is in, 0 for the others.",
            status.instances.flatMap { instance in
                Protection.State.allCases.map { state in
                    (
                        "instance=\"\(instance.name)\",state=\"\(state.rawValue)\"",
                        state == instance.state ? "1" : "0"
                    )
                }
            }
        )
        family(
            "recovery_points",
            "Usable recovery points.",
            status.instances.map { ("instance=\"\($0.name)\"", "\($0.points)") }
        )
        family(
            "last_point_timestamp_seconds",
            "When the newest usable recovery point was made.",
            status.instances.compactMap { instance in
                instance.lastPointAt.map { ("instance=\"\(instance.name)\"", "\($0.seconds)") }
            }
        )
        family(
            "rpo_seconds",
            "For how long the vault may lack something the server has.",
            status.instances.compactMap { instance in
                instance.rpoSeconds.map { ("instance=\"\(instance.name)\"", "\($0)") }
            }
        )
        family(
            "alerts",
            "1 for each alert that is open.",
            status.alerts.map { ($0.metricLabels, "1") }
        )
        let place = "vault=\"\(escaped(status.vault))\""
        family("vault_bytes", "Bytes in the vault.", [(place, "\(usage.totalBytes)")])
        family(
            "vault_free_bytes",
            "Bytes the vault's storage still has.",
            usage.freeBytes.map { [(place, "\($0)")] } ?? []
        )
        return lines.joined(separator: "\n") + "\n"
    }

    /// A label's value: backslash, quote and line end escaped, as the format wants.
    static func escaped(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.append(character)
            }
        }
    }
}

extension Alert {
    /// Its labels as a sample.
    fileprivate var metricLabels: String {
        [
            ("kind", kind.name), ("severity", severity.rawValue),
            ("instance", instance?.description ?? ""), ("subject", subject),
            ("state", state.rawValue),
        ].map { "\($0)=\"\(Metrics.escaped($1))\"" }.joined(separator: ",")
    }
}
