import ArgumentParser
import Domain
import Engine

/// The group of commands about the recovery window.
struct WindowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "window",
        abstract: "Show to which moments an instance can be restored.",
        subcommands: [WindowShow.self]
    )
}

/// `window show`
struct WindowShow: Verb {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show the recovery window and its gaps.",
        discussion: """
            The window is a set of intervals: every moment in one of them can be restored. Missing \
            WAL divides them, and each gap says why. An island is one backup that restores to its \
            own end: give its id with --point. How far back the window is meant to reach says the \
            policy: its retention.

              pgkeep window show main
            """
    )

    @OptionGroup var instance: NameArgument
    @OptionGroup(title: "Global options") var global: GlobalOptions

    /// The window as JSON; what the policy promises of it is said in words only.
    struct Answer: Encodable {
        var window: RecoveryWindow
        /// Nil when it cannot be read, which keeps no window from being shown.
        var policy: Policy?

        func encode(to encoder: any Encoder) throws { try window.encode(to: encoder) }
    }

    func answer(_ session: Session) throws -> Answer {
        let context = try session.context()
        let record = try Instances.find(context, instance.name)
        let window = try ArchiveSurvey(context, record).window
        return Answer(window: window, policy: try? Policies.of(context, record))
    }

    func lines(_ answer: Answer) -> [String] {
        let window = answer.window
        guard !window.intervals.isEmpty else {
            return ["Nothing can be restored yet: pgkeep backup create \(instance.text)"]
        }
        var table = Table(
            ["FROM (UTC)", "TO (UTC)", "FROM LSN", "TO LSN", "TLI", "POINTS", ""],
            numbers: [4, 5]
        )
        for interval in window.intervals {
            table.add([
                Wording.time(interval.earliest),
                Wording.time(interval.end),
                interval.earliestLSN.description, interval.latestLSN.description,
                String(interval.timeline), String(interval.points.count),
                interval.isIsland ? "island" : "",
            ])
        }
        var lines = table.lines + window.gaps.map(Self.line)
        if let idle = window.intervals.last?.idleWords { lines.append(idle) }
        if let policy = answer.policy { lines.append(Self.promise(policy)) }
        return lines
    }

    private static func promise(_ policy: Policy) -> String {
        let days = Wording.count(policy.retentionDays, "day")
        return "policy \(policy.name): its retention of \(days) is the recovery window it promises"
    }

    private static func line(_ gap: RecoveryWindow.Gap) -> String {
        let times =
            switch (gap.fromTime, gap.toTime) {
            case (let from?, let to?): "\(Wording.time(from)) to \(Wording.time(to)), "
            case (let from?, nil): "from \(Wording.time(from)) on, "
            case (nil, let to?): "until \(Wording.time(to)), "
            case (nil, nil): ""
            }
        return "gap: \(times)WAL \(gap.from) to \(gap.to): \(gap.cause.words)"
    }
}
