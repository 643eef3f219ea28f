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
            own end: give its id with --point.

              pgkeep window show main
            """
    )

    @OptionGroup var instance: NameArgument
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> RecoveryWindow {
        let context = try session.context()
        return try ArchiveSurvey(context, Instances.find(context, instance.name)).window
    }

    func lines(_ answer: RecoveryWindow) -> [String] {
        guard !answer.intervals.isEmpty else {
            return ["Nothing can be restored yet: pgkeep backup create \(instance.text)"]
        }
        var table = Table(
            ["FROM (UTC)", "TO (UTC)", "FROM LSN", "TO LSN", "TLI", "POINTS", ""],
            numbers: [4, 5]
        )
        for interval in answer.intervals {
            table.add([
                Wording.time(interval.earliest),
                Wording.time(interval.end),
                interval.earliestLSN.description, interval.latestLSN.description,
                String(interval.timeline), String(interval.points.count),
                interval.isIsland ? "island" : "",
            ])
        }
        var lines = table.lines + answer.gaps.map(Self.line)
        if let idle = answer.intervals.last?.idleWords { lines.append(idle) }
        return lines
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
