import ArgumentParser
import Domain
import Engine

/// What both verbs are about: a unit of systemd, a line of a crontab, anything with a name.
struct UnitArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("The unit, or any name for what failed.", valueName: "unit"))
    var text: String

    private static let scalarsMax = 200

    /// The name, checked.
    var name: String {
        get throws {
            let isPlain = text.unicodeScalars.allSatisfy {
                $0.properties.generalCategory != .control
            }
            guard !text.isEmpty, isPlain, text.unicodeScalars.count <= Self.scalarsMax else {
                throw PgkeepError(
                    .usage,
                    "this is no name for what failed",
                    hint: "give a short word, like the unit's name"
                )
            }
            return text
        }
    }
}

/// `notify failure`
struct NotifyFailure: Verb {
    static let configuration = CommandConfiguration(
        commandName: "failure",
        abstract: "Tell that a service or a line of a crontab failed.",
        discussion: """
            Opens the alert unit-failed and tells the channels at once; further failures of the \
            same unit are counted, not told. It is over with notify recovered, with alert ack, or \
            a day after the last failure. Works while the vault is out of reach, with the channels \
            of the config file.

              30 3 * * *  pgkeep vault prune || pgkeep notify failure prune
              OnFailure=pgkeep-failure@%n.service    # ExecStart=pgkeep notify failure %i
            """
    )

    @OptionGroup var unit: UnitArgument

    @Option(help: ArgumentHelp("The instance it is about.", valueName: "name"))
    var instance: String?

    @Option(help: ArgumentHelp("What is known of the failure.", valueName: "text"))
    var message: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> AlertCheck.Report {
        let name = try unit.name
        let line = (message ?? "").split(whereSeparator: \.isNewline).joined(separator: " ")
        let said = line.isEmpty ? "" : ": \(Redaction.withoutPasswords(line).prefix(400))"
        let event = AlertCondition(
            .unitFailed,
            instance: try instance.map { try InstanceName(checking: $0) },
            subject: name,
            "\(name) failed\(said)",
            next: name.hasSuffix(".service") ? "journalctl -u \(name)" : "read its log"
        )
        return try AlertRound(session).run(events: [event])
    }

    func lines(_ answer: AlertCheck.Report) -> [String] {
        answer.changes.flatMap { AlertText.change($0.event, $0.alert) }
    }
}

/// `notify recovered`
struct NotifyRecovered: Verb {
    static let configuration = CommandConfiguration(
        commandName: "recovered",
        abstract: "Tell that what failed works again.",
        discussion: """
            Ends the alert notify failure opened; says nothing when there is none.

              pgkeep notify recovered prune
            """
    )

    @OptionGroup var unit: UnitArgument

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> AlertCheck.Report {
        try AlertRound(session).run(withdrawn: ["\(AlertKind.unitFailed)/\(unit.name)"])
    }

    func lines(_ answer: AlertCheck.Report) -> [String] {
        answer.changes.flatMap { AlertText.change($0.event, $0.alert) }
    }
}
