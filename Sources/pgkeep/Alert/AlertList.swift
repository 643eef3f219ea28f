import ArgumentParser
import Domain
import Engine

/// `alert list`
struct AlertList: Verb {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List open alerts, the worst first.",
        discussion: """
            As the last alert check left them. With --all also what may open soon, and what was \
            over in the last 30 days.

              pgkeep alert list
              pgkeep alert list --all --instance main --json
            """
    )

    @Flag(help: "Also those that are pending or over.")
    var all = false

    @Option(help: ArgumentHelp("Only those of this instance.", valueName: "name"))
    var instance: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> AlertListing {
        let name = try instance.map { try InstanceName(checking: $0) }
        return try AlertListing.read(session.context(), all: all, instance: name)
    }

    func lines(_ answer: AlertListing) -> [String] {
        guard let checked = answer.checkedAt else {
            return ["Nobody has looked yet: pgkeep alert check, from cron or by the agent."]
        }
        guard !answer.alerts.isEmpty else {
            return ["No alert is open, as of \(Wording.time(checked))."]
        }
        var table = Table(["SEVERITY", "STATE", "SINCE (UTC)", "ALERT", "WHAT"])
        for alert in answer.alerts {
            let hidden = alert.isHidden ? " (explained by another)" : ""
            table.add([
                alert.severity.rawValue, alert.state.rawValue + hidden,
                Wording.time(alert.openedAt ?? alert.since), alert.id, alert.summary,
            ])
        }
        return table.lines
    }
}
