import Agent
import ArgumentParser
import Domain
import Logging

/// What `agent run` is told by options, or by the `agent` section of the config file.
struct AgentOptions: ParsableArguments {
    /// The keys of the config file's section; each stands for the option of its name.
    static let keys =
        [
            "instances", "stop_timeout", "check_budget", "prune_at", "child_memory_limit",
            "heartbeat",
            "log_level", "log_format",
        ] + HTTPOptions.keys

    @Argument(help: ArgumentHelp("The instances (default: all).", valueName: "name"))
    var names: [String] = []

    @Option(
        help: ArgumentHelp(
            "How long backups may go on when the agent is to stop (default: 60s).",
            valueName: "duration"
        )
    )
    var stopTimeout: String?

    @Option(
        help: ArgumentHelp(
            "When to prune each day, in UTC, up to half an hour later; or never (default: 03:30).",
            valueName: "hh:mm|never"
        )
    )
    var pruneAt: String?

    @Option(
        help: ArgumentHelp(
            "How much each day's check reads or how long it takes; or none (default: 30min).",
            valueName: "bytes|duration|none"
        )
    )
    var checkBudget: String?

    @Option(
        help: ArgumentHelp(
            "End and start anew a child that uses more memory (default: 1GiB).",
            valueName: "bytes"
        )
    )
    var childMemoryLimit: String?

    @Option(
        help: ArgumentHelp(
            "Have streams commit a message to nobody on their servers every so many seconds.",
            valueName: "seconds"
        )
    )
    var heartbeat: String?

    /// The options, and for those not given, what the section says.
    func settings(_ section: [String: [String]]) throws -> AgentSettings {
        func text(_ given: String?, _ key: String) -> String? { given ?? section[key]?.last }
        var settings = AgentSettings()
        let named = names.isEmpty ? section["instances"] ?? [] : names
        settings.names = Set(try named.map { try InstanceName(checking: $0) })
        if let text = text(stopTimeout, "stop_timeout") {
            settings.limits.stopSeconds = try seconds(text, "--stop-timeout")
        }
        if let text = text(childMemoryLimit, "child_memory_limit") {
            settings.limits.memoryBytesMax = try Self.memory(text)
        }
        if let text = text(pruneAt, "prune_at") { settings.pruneAt = try Self.time(text) }
        if let text = text(checkBudget, "check_budget") {
            settings.checkBudget = try Self.budget(text)
        }
        if let text = text(heartbeat, "heartbeat") {
            guard let seconds = Int(text) else { throw Self.wrong("--heartbeat", text, "60") }
            try Limits.check(seconds, "--heartbeat", 1...86400)
            settings.heartbeatSeconds = seconds
        }
        return settings
    }

    private func seconds(_ text: String, _ option: String) throws(PgkeepError) -> Double {
        if text == "0" { return 0 }
        guard case .duration(let seconds) = Amount(text) else {
            throw Self.wrong(option, text, "90s, 5min or 1h")
        }
        return seconds
    }

    /// Less than a child needs would be a loop of ends and starts.
    private static let memoryBytesMin: UInt64 = 64 << 20

    private static func memory(_ text: String) throws(PgkeepError) -> UInt64 {
        let bytes = try Limits.bytes(text, "--child-memory-limit")
        guard bytes >= memoryBytesMin else {
            throw PgkeepError(
                .usage,
                "--child-memory-limit \(text) is less than children need",
                hint: "give 64MiB or more"
            )
        }
        return bytes
    }

    private static func time(_ text: String) throws(PgkeepError) -> DailyTime? {
        if text == "never" { return nil }
        guard let time = DailyTime(text) else { throw wrong("--prune-at", text, "03:30, or never") }
        return time
    }

    private static func budget(_ text: String) throws(PgkeepError) -> String? {
        if text == "none" { return nil }
        guard Amount(text) != nil else {
            throw wrong("--check-budget", text, "30min, 20GiB or none")
        }
        return text
    }

    private static func wrong(_ option: String, _ text: String, _ example: String) -> PgkeepError {
        PgkeepError(
            .usage,
            "\(option) \(text) cannot be understood",
            hint: "write it like \(example)"
        )
    }
}
