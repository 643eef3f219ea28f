import ArgumentParser
import Domain

/// What a policy can say; what is not given stays as it is.
struct PolicyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Days every moment of which stays within reach: 7 to 35, more with --extended.",
            valueName: "days"
        )
    )
    var retention: Int?

    @Option(
        help: ArgumentHelp(
            "When a backup is due, in cron's form; \"auto\": once a day, spread over instances.",
            valueName: "cron"
        )
    )
    var schedule: String?

    @Option(
        help: ArgumentHelp("The zone of schedule and hours: UTC, Europe/Berlin.", valueName: "zone")
    )
    var timeZone: String?

    @Option(
        help: ArgumentHelp(
            "When backups may begin, like 22:00-06:00; \"any\": always.",
            valueName: "hours"
        )
    )
    var hours: String?

    @Option(
        help: ArgumentHelp("Let servers send so many kB/s at most; 0: any.", valueName: "number")
    )
    var maxRate: Int?

    @Option(
        help: ArgumentHelp(
            "Begin no scheduled backup with more sessions than this at work; 0: any.",
            valueName: "number"
        )
    )
    var maxLoad: Int?

    @Option(
        help: ArgumentHelp(
            "Begin none while a standby is further behind in replaying; \"any\": always.",
            valueName: "duration"
        )
    )
    var maxLag: String?

    @Option(help: ArgumentHelp("Keep the first point of so many days.", valueName: "number"))
    var keepDaily: Int?

    @Option(help: ArgumentHelp("Keep the first point of so many weeks.", valueName: "number"))
    var keepWeekly: Int?

    @Option(help: ArgumentHelp("Keep the first point of so many months.", valueName: "number"))
    var keepMonthly: Int?

    @Option(help: ArgumentHelp("Keep the first point of so many years.", valueName: "number"))
    var keepYearly: Int?

    @Option(help: ArgumentHelp("Points that stay in any case.", valueName: "number"))
    var minRedundancy: Int?

    @Option(help: ArgumentHelp("Named points an instance may have.", valueName: "number"))
    var onDemandMax: Int?

    @Option(
        help: ArgumentHelp("A restore drill is due every so many days; 0: none.", valueName: "days")
    )
    var drillDays: Int?

    @Option(
        help: ArgumentHelp(
            "Seconds the vault may lack what the server has before an alert opens; 0: 300.",
            valueName: "seconds"
        )
    )
    var rpo: Int?

    @Flag(help: "Let points be kept longer than 35 days.")
    var extended = false

    /// Writes what is given into a policy.
    func apply(to policy: inout Policy) throws {
        if let retention { policy.retentionDays = retention }
        if let schedule { policy.schedule = schedule == "auto" ? nil : try CronSchedule(schedule) }
        if let timeZone { policy.timeZone = timeZone }
        if let hours {
            let parsed = AllowedHours(hours)
            guard parsed != nil || hours == "any" else {
                throw PgkeepError(
                    .usage,
                    "--hours \(hours) are no hours of the day",
                    hint: "write them like 22:00-06:00, or \"any\""
                )
            }
            policy.allowedHours = parsed
        }
        if let maxRate { policy.maxRate = maxRate == 0 ? nil : maxRate }
        if let maxLoad { policy.maxLoad = maxLoad == 0 ? nil : maxLoad }
        if let maxLag {
            policy.maxLagSeconds =
                maxLag == "any" ? nil : try Limits.seconds(maxLag, "--max-lag")
        }
        if let keepDaily { policy.keep.daily = keepDaily }
        if let keepWeekly { policy.keep.weekly = keepWeekly }
        if let keepMonthly { policy.keep.monthly = keepMonthly }
        if let keepYearly { policy.keep.yearly = keepYearly }
        if let minRedundancy { policy.minRedundancy = minRedundancy }
        if let onDemandMax { policy.onDemandMax = onDemandMax }
        if let drillDays { policy.drillDays = drillDays == 0 ? nil : drillDays }
        if let rpo { policy.rpoSeconds = rpo == 0 ? nil : rpo }
        if extended { policy.isExtended = true }
    }
}

/// The policy a verb is about.
struct PolicyArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("The policy's name.", valueName: "name"))
    var text: String

    /// The name, checked.
    var name: PolicyName {
        get throws(PgkeepError) { try PolicyName(checking: text) }
    }
}

/// Looking at a change before it is made.
struct ChangeOptions: ParsableArguments {
    @Flag(help: "Only say what the change would do.")
    var whatIf = false

    @Option(
        help: ArgumentHelp(
            "The token --what-if showed, for a change that keeps less.",
            valueName: "token"
        )
    )
    var token: String?
}
