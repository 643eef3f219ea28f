import ArgumentParser
import Domain
import Engine

/// `policy delete`
struct PolicyDelete: Verb {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete a policy no instance has.",
        discussion: """
            Points made under it keep the expiry they have. Deleting a changed default brings the \
            built-in one back.

              pgkeep policy delete month
            """
    )

    @OptionGroup var policy: PolicyArgument
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> Policies.Found {
        try Policies.delete(session.context(), policy.name)
    }

    func lines(_ answer: Policies.Found) -> [String] {
        ["The policy \(answer.policy.name) is deleted."]
    }
}
