import ArgumentParser
import Domain
import Engine

/// `policy create`
struct PolicyCreate: Verb {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make a policy.",
        discussion: """
            What is not said is as in the policy default: 7 days, a backup a day. Every point \
            keeps the terms it was made under; the first points of days, weeks, months or years \
            can be kept longer, each as an island: itself, but not the moments after it.

              pgkeep policy create month --retention 30 --schedule "30 23 * * *" \
            --time-zone Europe/Berlin
              pgkeep policy create archive --extended --keep-monthly 12 --keep-yearly 10
            """
    )

    @OptionGroup var policy: PolicyArgument
    @OptionGroup var options: PolicyOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> Policies.Found {
        var made = Policy(name: try policy.name)
        try options.apply(to: &made)
        try made.validate()
        return try Policies.create(session.context(), made)
    }

    func lines(_ answer: Policies.Found) -> [String] { PolicyText.facts(answer) }
}
