import ArgumentParser
import Domain
import Engine

/// `policy list`
struct PolicyList: Verb {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the policies of the vault.",
        discussion: """
            The policy default is there from the beginning.

              pgkeep policy list
            """
    )

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        var policies: [Policies.Found]
    }

    func answer(_ session: Session) throws -> Answer {
        Answer(policies: try Policies.list(session.context()))
    }

    func lines(_ answer: Answer) -> [String] {
        var table = Table(["NAME", "DAYS", "BACKUPS", "ZONE", "KEPT LONGER"], numbers: [1])
        for found in answer.policies {
            let policy = found.policy
            table.add([
                policy.name.description, String(policy.retentionDays),
                PolicyText.schedule(policy), policy.timeZone, PolicyText.keep(policy) ?? "",
            ])
        }
        return table.lines
    }
}
