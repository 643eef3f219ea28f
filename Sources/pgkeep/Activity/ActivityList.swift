import ArgumentParser
import Domain
import Engine
import Platform
import Vaulting

/// `activity list`
struct ActivityList: Verb {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List what was done to the vault and its instances, oldest first.",
        discussion: """
            The log is append-only and kept in the vault for ever; each entry is bound to the one \
            before it, see activity verify.

              pgkeep activity list --since 30d
              pgkeep activity list --instance main --all --json
            """
    )

    @Option(
        name: .customLong("instance"),
        help: ArgumentHelp("Only what is about this instance.", valueName: "name")
    )
    var instanceName: String?

    @Option(
        help: ArgumentHelp(
            "Entries since then: a duration back, or a time (default: 30d).",
            valueName: "duration|time"
        )
    )
    var since: String?

    @Flag(help: "All entries there are.")
    var all = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        var activity: [ActivityEntry]
    }

    func answer(_ session: Session) throws -> Answer {
        guard !all || since == nil else {
            throw PgkeepError(.usage, "--all and --since are both given", hint: "leave one out")
        }
        let name = try instanceName.map { try InstanceName(checking: $0) }
        let now = session.clock.now
        let moment = try Amount.moment(since ?? "30d", now: now, option: "--since")
        let context = try session.context()
        let entries = try ActivityLog(context.vault, context.clock)
            .list(since: all ? nil : moment)
        return Answer(activity: entries.filter { name == nil || $0.instance == name })
    }

    func lines(_ answer: Answer) -> [String] {
        guard !answer.activity.isEmpty else { return ["Nothing was done in that time."] }
        var table = Table(["#", "TIME", "WHO", "WHAT", "INSTANCE", ""], numbers: [0])
        for entry in answer.activity {
            var words = entry.details.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            if let reason = entry.reason { words.append("reason: \(reason)") }
            if let comment = entry.comment { words.append("\"\(comment)\"") }
            table.add([
                "\(entry.number)", Wording.time(entry.at), entry.actor, entry.action,
                entry.instance?.description ?? "", words.joined(separator: " "),
            ])
        }
        return table.lines
    }
}
