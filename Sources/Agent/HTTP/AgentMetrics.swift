import Domain
import Engine
import Platform

/// The agent's own figures: what it runs, how often that failed, and what it takes.
enum AgentMetrics {
    /// Adds them to a text.
    static func add(_ report: AgentReport, to text: inout MetricsText) {
        text.add(
            "pgkeep_agent_stopping",
            "1 from the moment on the agent is told to end.",
            [MetricsText.Sample([], report.isStopping)]
        )
        text.add(
            "pgkeep_agent_vault_read_timestamp_seconds",
            "When the agent last read the vault's records.",
            report.vaultReadAt.map { Double($0.microseconds) / 1e6 }
        )
        text.add(
            "pgkeep_agent_instance_owned",
            "1 for an instance this agent takes care of.",
            report.instances.map {
                MetricsText.Sample([("name", $0.name.description)], $0.isOwned)
            }
        )
        addChildren(report, to: &text)
        addProcess(report, to: &text)
    }

    private static func addChildren(_ report: AgentReport, to text: inout MetricsText) {
        func add<Value: Numeric & Sendable>(
            _ name: String,
            kind: MetricsText.Kind = .gauge,
            _ help: String,
            _ value: (AgentReport.Child) -> Value?
        ) {
            text.add(
                "pgkeep_agent_child_" + name,
                kind: kind,
                help,
                report.children.compactMap { child in
                    value(child).map { MetricsText.Sample(labels(child), $0) }
                }
            )
        }
        add("running", "1 while a child runs.") { $0.state == .running ? 1 : 0 }
        add("crash_loop", "1 while a child ends again and again.") {
            $0.state == .crashLoop ? 1 : 0
        }
        add("starts_total", kind: .counter, "How often a child was started.") { $0.starts }
        add("failures_total", kind: .counter, "How often a child ended with a failure.") {
            $0.failures
        }
        add("resident_memory_bytes", "Resident memory of a child.") { $0.memoryBytes }
    }

    /// What tells a child: its work, without the instance, which has a label of its own.
    private static func labels(_ child: AgentReport.Child) -> [(String, String)] {
        let name = child.instance?.description
        let words = child.command.prefix { $0 != name && !$0.hasPrefix("-") }
        return [("work", words.joined(separator: " ")), ("name", name ?? "")]
    }

    /// Named as every exporter names them.
    private static func addProcess(_ report: AgentReport, to text: inout MetricsText) {
        text.add(
            "process_start_time_seconds",
            "When the agent began.",
            Double(report.startedAt.microseconds) / 1e6
        )
        guard let figures = ProcessFigures.ofThis() else { return }
        text.add(
            "process_cpu_seconds_total",
            kind: .counter,
            "User and system time the agent itself used.",
            figures.cpuSeconds
        )
        text.add(
            "process_resident_memory_bytes",
            "Resident memory of the agent itself.",
            figures.residentBytes
        )
        text.add("process_open_fds", "Open descriptors.", figures.openFiles)
    }
}
