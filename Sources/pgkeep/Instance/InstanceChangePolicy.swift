import ArgumentParser
import Domain
import Engine

/// `instance change-policy`
struct InstanceChangePolicy: Verb {
    static let configuration = CommandConfiguration(
        commandName: "change-policy",
        abstract: "Give an instance another policy.",
        discussion: """
            Points there are keep the expiry they have; new ones get that of the new policy. A \
            policy that keeps less than the one before must be looked at first, with --what-if.

              pgkeep instance change-policy main --policy month
            """
    )

    @OptionGroup var instance: NameArgument

    @Option(help: ArgumentHelp("The new policy's name.", valueName: "name"))
    var policy: String

    @OptionGroup var change: ChangeOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> PolicyChange.Answer {
        let context = try session.context()
        let plan = try PolicyChange(
            context,
            instance: Instances.find(context, instance.name),
            policy: PolicyName(checking: policy)
        )
        return try change.whatIf ? plan.look() : plan.apply(token: change.token)
    }

    func lines(_ answer: PolicyChange.Answer) -> [String] {
        let done = "The policy of \(instance.text) is \(answer.new.policy.name) now."
        return PolicyText.lines(answer) + (answer.isApplied ? [done] : [])
    }
}
