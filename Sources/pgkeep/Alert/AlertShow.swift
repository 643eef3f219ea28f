import ArgumentParser
import Domain
import Engine

/// `alert show`
struct AlertShow: Verb {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one alert, what leads to its kind, and what to do.",
        discussion: """
            Named by its id, or the beginning of it.

              pgkeep alert show backup-failed/main
            """
    )

    @Argument(help: ArgumentHelp("The alert's id, or its beginning.", valueName: "alert"))
    var alert: String

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        var alert: Alert
        var explanation: AlertExplanation?

        private enum CodingKeys: CodingKey { case alert, explanation }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(alert, forKey: .alert)
            try container.encode(explanation, forKey: .explanation)
        }
    }

    func answer(_ session: Session) throws -> Answer {
        let found = try Alerts.find(session.context(), alert)
        return Answer(alert: found, explanation: AlertCatalogue.explanation(of: found.kind))
    }

    func lines(_ answer: Answer) -> [String] {
        let alert = answer.alert
        var facts = Facts()
        facts.add("alert", alert.id)
        facts.add("severity", alert.severity.rawValue)
        facts.add("state", alert.state.rawValue)
        facts.add("what", alert.summary)
        facts.add("next", alert.next.isEmpty ? nil : alert.next)
        facts.add("seen since", Wording.time(alert.since))
        facts.add("opened", alert.openedAt.map(Wording.time))
        facts.add("last time", alert.lastAt.map(Wording.time))
        facts.add("over since", alert.resolvedAt.map(Wording.time))
        facts.add(
            "acknowledged",
            alert.acknowledgedAt.map { "\(Wording.time($0)) by \(alert.acknowledgedBy ?? "")" }
        )
        facts.add("comment", alert.comment)
        facts.add("opened so far", Wording.count(alert.openings, "time"))
        facts.add("cause", answer.explanation?.cause)
        facts.add("what to do", answer.explanation?.action)
        return facts.lines
    }
}
