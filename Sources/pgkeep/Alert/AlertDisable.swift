import ArgumentParser
import Domain
import Engine

/// `alert disable`
struct AlertDisable: Verb {
    static let configuration = CommandConfiguration(
        commandName: "disable",
        abstract: "Have a kind of alert never open.",
        discussion: """
            For all instances and hosts, until alert enable. What concerns security cannot be \
            disabled, and is told that this was.

              pgkeep alert disable backup-skipped
            """
    )

    @Argument(help: ArgumentHelp("The kind.", valueName: "kind"))
    var kind: String

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> DisabledKinds {
        DisabledKinds(disabled: try Alerts.setEnabled(session.context(), kind, false))
    }

    func lines(_ answer: DisabledKinds) -> [String] { answer.lines }
}

/// `alert enable`
struct AlertEnable: Verb {
    static let configuration = CommandConfiguration(
        commandName: "enable",
        abstract: "Take back alert disable.",
        discussion: """
            All kinds are enabled unless somebody disabled one.

              pgkeep alert enable backup-skipped
            """
    )

    @Argument(help: ArgumentHelp("The kind.", valueName: "kind"))
    var kind: String

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> DisabledKinds {
        DisabledKinds(disabled: try Alerts.setEnabled(session.context(), kind, true))
    }

    func lines(_ answer: DisabledKinds) -> [String] { answer.lines }
}

/// What both answer: the kinds that are disabled now.
struct DisabledKinds: Encodable {
    var disabled: [AlertKind]

    var lines: [String] {
        disabled.isEmpty
            ? ["All kinds of alerts are enabled."]
            : ["Disabled: \(disabled.map(\.name).joined(separator: ", "))"]
    }
}
