import ArgumentParser
import Domain
import Engine
import Vaulting

/// `instance list`
struct InstanceList: Verb {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the instances of the vault.",
        discussion: """
            Needs the vault and its key only, not the servers. Every option narrows the list; \
            --state and --policy may be repeated for one or the other, --label for all of them.

              pgkeep instance list --json
              pgkeep instance list --policy gold --label tier=web --label dc
            """
    )

    @Option(help: ArgumentHelp("Only in this state; may be repeated.", valueName: "state"))
    var state: [String] = []

    @Option(help: ArgumentHelp("Only of this policy; may be repeated.", valueName: "policy"))
    var policy: [String] = []

    @Option(
        help: ArgumentHelp(
            "Only with this label; may be repeated.",
            valueName: "key[=value]"
        )
    )
    var label: [String] = []

    @OptionGroup(title: "Global options") var global: GlobalOptions

    /// The servers that are gone for good: no state of its own, but what people ask for.
    private static let deprovisioned = "deprovisioned"

    func answer(_ session: Session) throws -> InstanceListing {
        let filter = try filter()
        return try InstanceListing.read(session.context(), filter)
    }

    private func filter() throws -> InstanceFilter {
        var filter = InstanceFilter()
        filter.isDeprovisioned = state.contains(Self.deprovisioned)
        filter.states = Set(try state.filter { $0 != Self.deprovisioned }.map(Self.state))
        filter.policies = Set(try policy.map { try PolicyName(checking: $0) })
        filter.labels = label.map { text in
            guard let sign = text.firstIndex(of: "=") else { return (text, nil) }
            return (String(text[..<sign]), String(text[text.index(after: sign)...]))
        }
        return filter
    }

    private static func state(_ text: String) throws -> InstanceRecord.State {
        guard let state = InstanceRecord.State(rawValue: text) else {
            throw PgkeepError(
                .usage,
                "there is no state \(text)",
                hint: "give one of: "
                    + (InstanceRecord.State.allCases.map(\.rawValue) + [deprovisioned])
                    .joined(separator: ", ")
            )
        }
        return state
    }

    func lines(_ answer: InstanceListing) -> [String] {
        guard !answer.instances.isEmpty else {
            return state.isEmpty && policy.isEmpty && label.isEmpty
                ? ["No instance is protected yet: pgkeep instance add NAME --source CONNINFO"]
                : ["No instance is like that."]
        }
        var table = Table(["NAME", "STATE", "POLICY", "VERSION", "SYSTEM IDENTIFIER", "SOURCE"])
        for record in answer.instances {
            table.add([
                record.name.description, record.state.rawValue, record.policy,
                record.serverVersion.description, record.systemIdentifier.description,
                record.source,
            ])
        }
        return table.lines
    }
}
