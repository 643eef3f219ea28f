import ArgumentParser
import Domain
import Engine

/// `alert ack`
struct AlertAck: Verb {
    static let configuration = CommandConfiguration(
        commandName: "ack",
        abstract: "Say that you know of an open alert.",
        discussion: """
            It stays on the list until its condition is gone; it is told again only if it gets \
            worse or, for what concerns security, happens again. What has happened and is not \
            going on is over with this.

              pgkeep alert ack backup-failed/main --comment "disk is being replaced"
            """
    )

    @Argument(help: ArgumentHelp("The alert's id, or its beginning.", valueName: "alert"))
    var alert: String

    @Option(help: ArgumentHelp("What others should know.", valueName: "text"))
    var comment: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> Alert {
        try Alerts.acknowledge(session.context(), alert, comment: comment)
    }

    func lines(_ answer: Alert) -> [String] { ["The alert \(answer.id) is acknowledged."] }
}
