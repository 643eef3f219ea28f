public import Domain

/// The figures of status, usage and alerts for monitoring systems.
public enum Metrics {
    /// The text, from what `status`, `vault usage` and `alert list` tell.
    ///
    /// - Parameter readAt: when they were read.
    public static func text(
        _ status: StatusReport,
        _ usage: UsageReport,
        _ alerts: AlertListing,
        version: String,
        readAt: Timestamp
    ) -> String {
        var text = MetricsText()
        text.add(
            "pgkeep_build_info",
            "The version of pgkeep that tells this.",
            [MetricsText.Sample([("version", version)], 1)]
        )
        addProtection(status, to: &text)
        addUsage(usage, to: &text)
        addAlerts(alerts, to: &text)
        let place = [("vault", status.vault)]
        text.add(
            "pgkeep_vault_bytes",
            "Bytes in the vault.",
            [MetricsText.Sample(place, usage.totalBytes)]
        )
        text.add(
            "pgkeep_vault_free_bytes",
            "Bytes the vault's storage still has.",
            usage.freeBytes.map { [MetricsText.Sample(place, $0)] } ?? []
        )
        text.add("pgkeep_running_jobs", "Jobs that run now.", status.runningJobs)
        text.add("pgkeep_failed_jobs", "Jobs that failed in the last day.", status.failedJobs)
        text.add(
            "pgkeep_vault_read_timestamp_seconds",
            "When the vault was read for these figures.",
            seconds(readAt)
        )
        return text.text
    }

    private static func addProtection(_ status: StatusReport, to text: inout MetricsText) {
        /// One figure for each instance that has it.
        func add<Value: Numeric & Sendable>(
            _ name: String,
            _ help: String,
            _ value: (InstanceStatus) -> Value?
        ) {
            text.add(
                "pgkeep_" + name,
                help,
                status.instances.compactMap { instance in
                    value(instance).map {
                        MetricsText.Sample([("name", instance.name.description)], $0)
                    }
                }
            )
        }
        text.add(
            "pgkeep_protection_state",
            "1 for the state an instance is in, 0 for the others.",
            status.instances.flatMap { instance in
                Protection.State.allCases.map { state in
                    MetricsText.Sample(
                        [("name", instance.name.description), ("state", state.rawValue)],
                        state == instance.state
                    )
                }
            }
        )
        add("recovery_points", "Usable recovery points.") { $0.points }
        add("damaged_points", "Recovery points that cannot be used.") { $0.damagedPoints }
        add(
            "last_point_timestamp_seconds",
            "When the newest usable recovery point was made."
        ) { $0.lastPointAt.map(seconds) }
        add(
            "window_start_timestamp_seconds",
            "The earliest moment that can be restored."
        ) { $0.windowFrom.map(seconds) }
        add(
            "window_end_timestamp_seconds",
            "The latest moment that can be restored."
        ) { $0.windowTo.map(seconds) }
        add("stream_connected", "1 while a WAL stream is connected.") { $0.streaming ? 1 : 0 }
        add("stream_lag_bytes", "WAL the server has and the vault lacks.") { $0.lagBytes }
        add(
            "rpo_seconds",
            "For how long the vault may lack something the server has."
        ) { $0.rpoSeconds }
    }

    private static func addUsage(_ usage: UsageReport, to text: inout MetricsText) {
        text.add(
            "pgkeep_vault_used_bytes",
            "Bytes an instance takes in the vault, by kind.",
            usage.instances.flatMap { instance in
                [
                    ("base", instance.baseBytes), ("wal", instance.walBytes),
                    ("meta", instance.metaBytes),
                ].map { MetricsText.Sample([("name", instance.name), ("kind", $0)], $1) }
            }
        )
        text.add(
            "pgkeep_vault_quota_bytes",
            "Bytes an instance may take before it is said.",
            usage.instances.map {
                MetricsText.Sample([("name", $0.name)], $0.cost.quotaBytes)
            }
        )
        text.add(
            "pgkeep_growth_bytes_per_day",
            "Bytes later backups and WAL add in a day, the mean of the last week.",
            usage.instances.map { MetricsText.Sample([("name", $0.name)], $0.growthPerDay) }
        )
    }

    private static func addAlerts(_ listing: AlertListing, to text: inout MetricsText) {
        text.add(
            "pgkeep_alert",
            "1 for each alert that is open or acknowledged and not explained by another.",
            listing.alerts.filter { $0.isOpen && !$0.isHidden }.map { alert in
                MetricsText.Sample(
                    [
                        ("kind", alert.kind.name), ("subject", alert.subject),
                        ("severity", alert.severity.rawValue), ("state", alert.state.rawValue),
                    ],
                    1
                )
            }
        )
        text.add(
            "pgkeep_alert_check_timestamp_seconds",
            "When alerts were last looked for, to within ten minutes.",
            listing.checkedAt.map(seconds)
        )
    }

    private static func seconds(_ time: Timestamp) -> Double { Double(time.microseconds) / 1e6 }
}
