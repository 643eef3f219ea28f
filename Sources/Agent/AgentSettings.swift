public import Domain
public import Logging

/// What an operator tells an agent: options of `agent run`, or the `agent` section of the config
/// file.
public struct AgentSettings: Sendable {
    /// The instances to take care of; none for all of the vault.
    public var names: Set<InstanceName> = []
    /// Limits of children.
    public var limits = Supervision.Limits()
    /// Seconds between small commits of streams on their sources; nil for none.
    public var heartbeatSeconds: Int?
    /// When the vault is pruned each day; nil for never.
    public var pruneAt: DailyTime? = AgentSettings.pruneAtDefault
    /// How much each day's check may look at, as `vault check --budget` reads it; nil for no check.
    public var checkBudget: String? = AgentSettings.checkBudgetDefault
    /// What children log.
    public var logLevel = Logger.Level.info
    /// The options that name vault and key, for every child.
    public var vaultWords: [String] = []

    /// 03:30 UTC.
    public static let pruneAtDefault = DailyTime(minute: 210)
    /// Half an hour.
    public static let checkBudgetDefault = "30min"
    /// Days in which the daily checks are to have seen everything.
    public static let checkDays = 30
    /// Minutes after pruning at which the day's check begins.
    private static let checkAfterMinutes = 60
    /// Where nothing is pruned, it begins at this minute of the day.
    private static let checkMinute = 270

    /// The defaults.
    public init() {}

    /// What is to be done for these instances, and for the vault if that is ours.
    func chores(_ owned: [InstanceName], isLeading: Bool) -> [Chore] {
        owned.flatMap(chores) + (isLeading ? vaultChores : [])
    }

    private func chores(_ name: InstanceName) -> [Chore] {
        // A gap there is no way around must not end protection: it is recorded and told, and the
        // next backup closes it.
        var stream = ["wal", "stream", name.description, "--accept-gap"]
        if let heartbeatSeconds { stream += ["--heartbeat", "\(heartbeatSeconds)"] }
        return [
            Chore(.init(.stream, name), command: stream, rhythm: .always),
            Chore(
                .init(.due, name),
                command: ["backup", "run-due", name.description],
                rhythm: .every(seconds: DueAnswer.lookSeconds)
            ),
        ]
    }

    /// Seconds between two looks at what people must be told of.
    private static let alertSeconds = 30.0

    /// Seconds between two looks at the drills that are due.
    private static let drillSeconds = 600.0

    private var vaultChores: [Chore] {
        var chores = [
            Chore(
                Chore.ID(.drill),
                command: ["drill", "run-due"],
                rhythm: .every(seconds: Self.drillSeconds)
            ),
            Chore(
                Chore.ID(.alerts),
                command: ["alert", "check"],
                rhythm: .every(seconds: Self.alertSeconds)
            ),
        ]
        if let pruneAt {
            chores.append(
                Chore(.init(.prune), command: ["vault", "prune"], rhythm: .daily(pruneAt))
            )
        }
        if let checkBudget {
            let minute = pruneAt.map { $0.minute + Self.checkAfterMinutes } ?? Self.checkMinute
            chores.append(
                Chore(
                    .init(.check),
                    command: [
                        "vault", "check", "--since", "\(Self.checkDays)d", "--budget", checkBudget,
                    ],
                    rhythm: .daily(DailyTime(minute: minute % 1440))
                )
            )
        }
        return chores
    }

    /// All words of a chore's command but the program's name.
    func words(_ chore: Chore) -> [String] {
        let output =
            chore.id.kind == .stream
            ? ["--log-format", "json", "--log-level", logLevel.rawValue] : ["--json"]
        return chore.command + output + vaultWords
    }
}
