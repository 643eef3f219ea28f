import ArgumentParser
import Domain
import Engine

/// `alert check`
struct AlertCheckVerb: Verb {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Look at everything once; open and resolve alerts, and tell the channels.",
        discussion: """
            For cron and the agent, as often as you like and on as many hosts: each change is told \
            once. Reads names and records of the vault only, no server. Says nothing when nothing \
            has changed.

            When the vault or its key is of no use, the channels that the config file names are \
            told (alert_exec, alert_email, alert_webhook), once and not each time; without any, \
            the command fails as others do.

              * * * * *  pgkeep alert check
            """
    )

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> AlertCheck.Report {
        try AlertRound(session).run()
    }

    func lines(_ answer: AlertCheck.Report) -> [String] {
        answer.changes.flatMap { AlertText.change($0.event, $0.alert) }
    }
}
