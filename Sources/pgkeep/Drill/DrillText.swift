import Domain

/// Drills in words.
enum DrillText {
    /// One line: what it proved, of which moment, and how long it took.
    static func line(_ drill: Drill) -> String {
        var parts = [result(drill)]
        if let time = drill.effectiveTime { parts.append("the state of \(Wording.time(time))") }
        if let rto = drill.rtoSeconds { parts.append("RTO \(Wording.duration(rto))") }
        if let message = drill.message { parts.append(message) }
        return parts.joined(separator: "; ")
    }

    private static func result(_ drill: Drill) -> String {
        switch drill.outcome {
        case .sound: "sound, \(drill.level?.rawValue ?? "")"
        case .unsound, .failed, .cancelled: drill.outcome.rawValue
        }
    }

    static func table(_ drills: [Drill]) -> [String] {
        var table = Table(
            [
                "ID", "INSTANCE", "TIME (UTC)", "TARGET", "OUTCOME", "LEVEL", "RTO", "STATE OF",
                "ERROR",
            ],
            numbers: [6]
        )
        for drill in drills {
            table.add([
                drill.id.description, drill.instance.description, Wording.time(drill.startedAt),
                drill.target.isRandom ? "random" : drill.target.kind, drill.outcome.rawValue,
                drill.level?.rawValue ?? "", drill.rtoSeconds.map(Wording.duration) ?? "",
                drill.effectiveTime.map(Wording.time) ?? "", drill.errorCode ?? "",
            ])
        }
        return table.lines
    }

    static func facts(_ drill: Drill) -> [String] {
        var facts = Facts()
        facts.add("drill", drill.id.description)
        facts.add("instance", drill.instance.description)
        facts.add("outcome", drill.outcome.rawValue)
        facts.add("proven", drill.level?.rawValue ?? "nothing")
        let target = [drill.target.kind, drill.target.value].compactMap { $0 }
        facts.add(
            "target",
            target.joined(separator: " ") + (drill.target.isRandom ? ", chosen by chance" : "")
        )
        facts.add("from point", drill.point?.description)
        facts.add("leads to", drill.effectiveTime.map { "the state of \($0)" })
        facts.add("position", drill.effectiveLSN?.description)
        facts.add("timeline", drill.timeline.map { String($0) })
        facts.add("data", drill.bytes > 0 ? Wording.bytes(drill.bytes) : nil)
        facts.add("WAL", drill.level == nil ? nil : Wording.bytes(drill.walBytes))
        facts.add("RTO", drill.rtoSeconds.map(seconds))
        for phase in drill.phases { facts.add(phase.name, seconds(phase.seconds)) }
        for check in drill.checks {
            let place = check.database.map { " in \($0)" } ?? ""
            let what = check.isPassed ? "passed" : "FAILED: \(check.message ?? "")"
            facts.add("check", "\(check.name)\(place) \(what) (\(seconds(check.seconds)))")
        }
        facts.add("error", drill.errorCode.map { "\($0): \(drill.message ?? "")" })
        facts.add("trigger", drill.trigger)
        facts.add("host", drill.host)
        facts.add("began", Wording.time(drill.startedAt))
        facts.add("judged", Wording.time(drill.endedAt))
        return facts.lines + drill.warnings.map { "warning: \($0)" }
    }

    /// Drills of small servers are over in a second: tenths count.
    private static func seconds(_ count: Double) -> String {
        guard count < 60 else { return Wording.duration(count) }
        let tenths = Int((count * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) s"
    }
}
