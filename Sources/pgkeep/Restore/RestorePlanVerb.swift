import ArgumentParser
import Domain
import Engine

/// `restore plan`
struct RestorePlanVerb: Verb {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Show what a restore would do, without doing it.",
        discussion: """
            Says which recovery point and WAL it takes, to which moment it really leads, and how \
            long it may take. Exits 5 when the target cannot be reached, with the reason and the \
            nearest moment that can.

              pgkeep restore plan main --time 2026-03-14T15:09:26Z
              pgkeep restore plan main --name before-upgrade
            """
    )

    @OptionGroup var instance: NameArgument
    @OptionGroup(title: "Target") var target: TargetOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> RestorePlan {
        try target.check()
        let context = try session.context()
        let record = try Instances.find(context, instance.name)
        return try ArchiveSurvey(context, record).plan(target.spec(context))
    }

    func failure(_ answer: RestorePlan) -> PgkeepError? { answer.error }

    func lines(_ answer: RestorePlan) -> [String] {
        guard answer.isReachable else { return [] }
        var facts = Facts()
        facts.add("target", answer.spec.description)
        facts.add("leads to", answer.effectiveTime.map { "the state as of \($0)" })
        facts.add("position", answer.effectiveLSN?.description)
        facts.add("timeline", answer.timeline.map { String($0) })
        facts.add("point", answer.point.map { "\($0.id)  \(Wording.time($0.finishedAt))" })
        facts.add("data", Wording.bytes(answer.baseBytes))
        facts.add(
            "WAL",
            "\(Wording.bytes(answer.walBytes)) in "
                + Wording.count(answer.segments.count, "segment")
        )
        facts.add(
            "takes about",
            answer.eta.map {
                "\(Wording.duration($0.likely)) (\(Wording.duration($0.low)) to "
                    + "\(Wording.duration($0.high)))"
            }
        )
        facts.add("because", answer.reason.isEmpty ? nil : answer.reason)
        return facts.lines + answer.warnings.map { "warning: \($0)" }
    }
}
