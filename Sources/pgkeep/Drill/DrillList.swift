import ArgumentParser
import Domain
import Engine
import Platform
import Vaulting

/// `drill list`
struct DrillList: Verb {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the receipts of drills, oldest first.",
        discussion: """
            Levels, each with those before it: restored, verified (by pg_verifybackup), started \
            (it recovered and accepted writes), checked (by your checks or pg_amcheck). RTO is \
            what a real restore would have taken.

              pgkeep drill list
              pgkeep drill list main --all
            """
    )

    @Argument(help: ArgumentHelp("Only this instance.", valueName: "name"))
    var name: String?

    @Option(
        help: ArgumentHelp(
            "Drills since then: a duration back, or a time (default: 90d).",
            valueName: "duration|time"
        )
    )
    var since: String?

    @Flag(help: "All receipts there are.")
    var all = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        var drills: [Drill]
    }

    func answer(_ session: Session) throws -> Answer {
        guard !all || since == nil else {
            throw PgkeepError(.usage, "--all and --since are both given", hint: "leave one out")
        }
        let moment = try Amount.moment(since ?? "90d", now: session.clock.now, option: "--since")
        let context = try session.context()
        let instance = try name.map { try Instances.findAny(context, InstanceName(checking: $0)) }
        return Answer(
            drills: try Drills.list(
                context,
                since: all ? nil : moment,
                instance: instance?.name
            )
        )
    }

    func lines(_ answer: Answer) -> [String] {
        answer.drills.isEmpty
            ? ["There is no such drill on record: pgkeep drill run \(name ?? "NAME")"]
            : DrillText.table(answer.drills)
    }
}
