import ArgumentParser
import Domain
import Engine

/// `policy limits`
struct PolicyLimits: Verb {
    static let configuration = CommandConfiguration(
        commandName: "limits",
        abstract: "Show or set the retention this vault's policies may have.",
        discussion: """
            Without options it shows them. A policy outside of them cannot be made; one that is \
            outside already must be changed first.

              pgkeep policy limits --min 14 --max 35
              pgkeep policy limits --none
            """
    )

    @Option(help: ArgumentHelp("Days a policy must keep at least.", valueName: "days"))
    var min: Int?

    @Option(help: ArgumentHelp("Days a policy may keep at most.", valueName: "days"))
    var max: Int?

    @Flag(help: "Remove the limits.")
    var none = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> RetentionLimits {
        guard !none || (min == nil && max == nil) else {
            throw PgkeepError(.usage, "--none goes with no limit", hint: "leave one out")
        }
        for (days, option) in [(min, "--min"), (max, "--max")] {
            if let days { try Limits.check(days, option, Policy.extendedDays) }
        }
        let context = try session.context()
        var limits = try RetentionLimits.read(context)
        guard none || min != nil || max != nil else { return limits }
        if none { limits = RetentionLimits() }
        if let min { limits.minDays = min }
        if let max { limits.maxDays = max }
        try limits.set(context)
        return limits
    }

    func lines(_ answer: RetentionLimits) -> [String] { ["Policies keep \(answer)."] }
}
