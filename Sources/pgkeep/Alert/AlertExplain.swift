import ArgumentParser
import Domain

/// `alert explain`
struct AlertExplain: Verb {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say what a kind of alert means and what to do.",
        discussion: """
            Needs no vault. Kinds are stable: scripts may match on them.

              pgkeep alert explain rpo-breach
              pgkeep alert explain --all --json
            """
    )

    @Argument(help: ArgumentHelp("The kind.", valueName: "kind"))
    var kind: String?

    @Flag(help: "All kinds.")
    var all = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        var kinds: [AlertExplanation]
    }

    func answer(_ session: Session) throws -> Answer {
        guard (kind == nil) == all else {
            throw PgkeepError(
                .usage,
                all ? "a kind and --all are both given" : "no kind is given",
                hint: "give a kind, or --all"
            )
        }
        return Answer(
            kinds: try kind.map { [try AlertCatalogue.explain($0)] } ?? AlertCatalogue.all
        )
    }

    func lines(_ answer: Answer) -> [String] {
        guard let one = answer.kinds.first, answer.kinds.count == 1 else {
            var table = Table(["KIND", "SEVERITY", "CAUSE"])
            for kind in answer.kinds {
                table.add([kind.kind.name, kind.severity.rawValue, kind.cause])
            }
            return table.lines
        }
        var facts = Facts()
        facts.add("kind", one.kind.name)
        facts.add("severity", one.severity.rawValue)
        facts.add("cause", one.cause)
        facts.add("what to do", one.action)
        facts.add("opens after", Wording.duration(one.timing.opensAfter))
        facts.add("resolves after", Wording.duration(one.timing.resolvesAfter))
        facts.add("stays open", one.timing.hold.map(Wording.duration))
        facts.add(
            "explained by",
            one.hiddenBy.isEmpty ? nil : one.hiddenBy.map(\.name).joined(separator: ", ")
        )
        return facts.lines
    }
}
