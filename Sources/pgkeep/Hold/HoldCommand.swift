import ArgumentParser
import Domain
import Engine
import Vaulting

/// The group of commands about holds.
struct HoldCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hold",
        abstract: "Keep points or spans of time, whatever their policy says.",
        subcommands: [HoldAdd.self, HoldList.self, HoldRelease.self]
    )
}

/// `hold add`
struct HoldAdd: Verb {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Hold a point, or all moments of a span of time.",
        discussion: """
            What is held neither expires nor can be deleted until the hold is released, also not \
            by a pruning that is at work at this moment: what that one has decided to let go is \
            gone, and a hold on it is refused (exit 4). Holds of any number may lie on the same \
            points.

              pgkeep hold add main --point 0197a3c2 --title "case 4711"
              pgkeep hold add main --from 2026-03-01T00:00Z --to 2026-03-14T00:00Z --title audit
            """
    )

    @OptionGroup var instance: NameArgument

    @Option(help: ArgumentHelp("A point's id, its beginning, or its name.", valueName: "point"))
    var point: String?

    @Option(help: ArgumentHelp("The first moment to keep within reach.", valueName: "time"))
    var from: String?

    @Option(help: ArgumentHelp("The last moment to keep within reach.", valueName: "time"))
    var to: String?

    @Option(help: ArgumentHelp("What to call it.", valueName: "text"))
    var title: String

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> Holds.Addition {
        guard (point == nil) == (from != nil && to != nil), (from == nil) == (to == nil) else {
            throw PgkeepError(
                .usage,
                "a hold is on a point, or on a span of time",
                hint: "give --point ID, or --from TIME and --to TIME"
            )
        }
        let context = try session.context()
        let record = try Instances.find(context, instance.name)
        let subject: Hold.Subject
        if let from, let to {
            subject = .moments(
                from: try Self.time(from, "--from"),
                to: try Self.time(to, "--to")
            )
        } else {
            subject = .point(try Points.find(context, point ?? "", of: record).id)
        }
        return try Holds.add(context, record, subject, title: title)
    }

    private static func time(_ text: String, _ option: String) throws -> Timestamp {
        guard let time = Timestamp(text) else {
            throw PgkeepError(
                .usage,
                "\(option) \(text) is no time",
                hint: "write it like 2026-03-14T15:09:26Z"
            )
        }
        return time
    }

    func lines(_ answer: Holds.Addition) -> [String] {
        let done = "Hold \(answer.hold.id): \(HoldText.subject(answer.hold))."
        guard let from = answer.keptFrom else { return [done] }
        let text = "WAL before \(Wording.time(from)) had been let go already: of the moments before"
        return [done, text + " it only the points' own are within reach."]
    }
}

/// `hold list`
struct HoldList: Verb {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the holds.",
        discussion: """
            Of one instance, or of all.

              pgkeep hold list main
            """
    )

    @Argument(help: ArgumentHelp("The instance's name (else: all).", valueName: "name"))
    var name: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        var holds: [Hold]
    }

    func answer(_ session: Session) throws -> Answer {
        let context = try session.context()
        let record = try name.map { try Instances.find(context, InstanceName(checking: $0)) }
        return Answer(holds: try Holds.list(context, record?.name))
    }

    func lines(_ answer: Answer) -> [String] {
        guard !answer.holds.isEmpty else { return ["There is no hold."] }
        var table = Table(["ID", "INSTANCE", "ON", "SINCE (UTC)", "BY", "TITLE"])
        for hold in answer.holds {
            table.add([
                hold.id.description, hold.instance.description, HoldText.subject(hold),
                Wording.time(hold.createdAt), hold.by, hold.title,
            ])
        }
        return table.lines
    }
}

/// `hold release`
struct HoldRelease: Verb {
    static let configuration = CommandConfiguration(
        commandName: "release",
        abstract: "End a hold.",
        discussion: """
            What has expired meanwhile goes with the next vault prune, unless another hold is on \
            it.

              pgkeep hold release 0197a3c2
            """
    )

    @Argument(help: ArgumentHelp("The hold's id, or its beginning.", valueName: "hold"))
    var hold: String

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> Hold { try Holds.release(session.context(), hold) }

    func lines(_ answer: Hold) -> [String] { ["The hold \"\(answer.title)\" is released."] }
}

/// Holds in words.
enum HoldText {
    static func subject(_ hold: Hold) -> String {
        switch hold.subject {
        case .point(let id): "point \(id)"
        case .moments(let from, let to): "\(Wording.time(from)) to \(Wording.time(to))"
        }
    }
}
