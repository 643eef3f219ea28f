import ArgumentParser
import Domain
import Engine
import Vaulting

/// `drill run-due`
struct DrillRunDue: Verb {
    static let configuration = CommandConfiguration(
        commandName: "run-due",
        abstract: "Make the drills that are due.",
        discussion: """
            For cron or a timer, every hour or so and on as many hosts as you like: one of them \
            makes each drill, and a call with nothing to do says nothing and exits 0. Due is an \
            instance whose policy has --drill-days and whose last drill is older than that, or \
            that has a recovery point and was never drilled. A drill that could not be carried \
            out is tried again after 15, 30, 60 … minutes, at most daily; one that found the copy \
            unsound (exit 6) stands until the next is due, or until you run one.

              17 * * * *  pgkeep drill run-due
              pgkeep drill run-due main --random --check shop=orders.sql
            """
    )

    @Argument(help: ArgumentHelp("The instances (default: all).", valueName: "name"))
    var names: [String] = []

    @Flag(help: "Restore to a random moment of the recovery window instead of the latest one.")
    var random = false

    @OptionGroup var settings: DrillSettings
    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        var instances: [DueDrill]
    }

    func answer(_ session: Session) throws -> Answer {
        var options = try settings.options(trigger: session.trigger(else: "scheduled"))
        options.isRandom = random
        let names = try names.map { try InstanceName(checking: $0) }
        let chosen = options
        let due = DueDrills(context: try session.context()) { context, record in
            try DrillSettings.drill(session, context, record, chosen)
        }
        return Answer(instances: try due.run(names))
    }

    func failure(_ answer: Answer) -> PgkeepError? {
        // What is unsound matters more than what could not be tried.
        let failed = answer.instances.filter { $0.error != nil }
        guard let worst = failed.first(where: { $0.outcome == .unsound }) ?? failed.first,
            let error = worst.error
        else { return nil }
        return PgkeepError(
            error.code,
            "the drill of \(worst.instance) failed",
            hint: worst.drill.map { "see pgkeep drill show \($0.id)" } ?? error.hint,
            cause: error
        )
    }

    func lines(_ answer: Answer) -> [String] {
        answer.instances.filter { $0.isNews || global.verbose }.map(Self.line)
    }

    private static func line(_ entry: DueDrill) -> String {
        let next = entry.nextAt.map { " before \(Wording.time($0))" } ?? ""
        let what =
            switch entry.outcome {
            case .sound, .unsound: entry.drill.map(DrillText.line) ?? entry.outcome.rawValue
            case .failed:
                "could not be carried out; "
                    + (entry.nextAt.map { "tried again at \(Wording.time($0))." }
                        ?? "\(entry.error?.message ?? "see job list").")
            case .cancelled: "cancelled."
            case .busy: "another process is at it."
            case .waiting: "could not be carried out; not tried again\(next)."
            case .notDue: "not due\(next)."
            case .none: "its policy asks for no drills."
            }
        return "\(entry.instance): \(what)"
    }
}
