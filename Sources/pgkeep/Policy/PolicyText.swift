import Domain
import Engine

/// Policies in words.
enum PolicyText {
    static func facts(_ found: Policies.Found) -> [String] {
        let policy = found.policy
        var facts = Facts()
        facts.add("name", policy.name.description)
        facts.add("retention (recovery window)", Wording.count(policy.retentionDays, "day"))
        facts.add("backups due", schedule(policy))
        facts.add("may begin", policy.allowedHours?.description ?? "always")
        facts.add("sent at most", policy.maxRate.map { "\($0) kB/s" })
        facts.add("sessions at most", policy.maxLoad.map { String($0) })
        facts.add("standby lag at most", policy.maxLagSeconds.map(Wording.duration))
        facts.add("time zone", policy.timeZone)
        facts.add("kept longer", keep(policy))
        facts.add("at least", Wording.count(policy.minRedundancy, "point"))
        facts.add("on demand", "at most \(Wording.count(policy.onDemandMax, "named point"))")
        facts.add("drill due", policy.drillDays.map { "every \(Wording.count($0, "day"))" })
        facts.add("RPO", policy.rpoSeconds.map { Wording.duration(Double($0)) })
        facts.add("extended", policy.isExtended ? "yes" : nil)
        facts.add("revision", found.revision == 0 ? "built in" : String(found.revision))
        return facts.lines
    }

    static func schedule(_ policy: Policy) -> String {
        policy.schedule?.description ?? "once a day"
    }

    static func keep(_ policy: Policy) -> String? {
        let rules = RetentionRule.allCases.filter { policy.keep.count($0) > 0 }
        guard !rules.isEmpty else { return nil }
        return rules.map { "\(policy.keep.count($0)) \($0.rawValue)" }.joined(separator: ", ")
    }

    static func lines(_ answer: PolicyChange.Answer) -> [String] {
        var lines: [String] = []
        for effect in answer.effects {
            lines.append("\(effect.instance):")
            var facts = Facts()
            facts.add("points lost", points(effect.pointsLost))
            facts.add("points gained", points(effect.pointsGained))
            let bytes = Wording.bytes(effect.bytes.magnitude)
            facts.add("pruning frees", effect.bytes < 0 ? "\(bytes) less" : "\(bytes) more")
            facts.add("earliest moment now", effect.earliestNow.map(Wording.time))
            facts.add("earliest moment then", effect.earliestThen.map(Wording.time))
            lines += facts.lines.map { "  " + $0 }
        }
        guard !answer.isApplied else { return lines }
        if answer.effects.isEmpty { lines.append("No instance has this policy.") }
        lines.append(
            answer.isShorter
                ? "It keeps less than before. To make it, add: --token \(answer.token)"
                : "It keeps no less than before; run it without --what-if."
        )
        return lines
    }

    private static func points(_ points: [PointID]) -> String {
        points.isEmpty ? "none" : points.map(\.description).joined(separator: ", ")
    }
}
