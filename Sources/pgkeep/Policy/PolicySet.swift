import ArgumentParser
import Domain
import Engine

/// `policy set`
struct PolicySet: Verb {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Change a policy.",
        discussion: """
            Points there are keep the expiry they have; what changes is how far back every moment \
            stays within reach, and what becomes of new points. A change that keeps less must be \
            looked at first: --what-if shows what would be lost, and a token for doing it.

              pgkeep policy set default --retention 14
              pgkeep policy set default --retention 7 --what-if
              pgkeep policy set default --retention 7 --token 0123456789abcdef
            """
    )

    @OptionGroup var policy: PolicyArgument
    @OptionGroup var options: PolicyOptions

    @Flag(help: "Keep no point longer than 35 days from now on.")
    var standard = false

    @OptionGroup var change: ChangeOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> PolicyChange.Answer {
        guard !standard || !options.extended else {
            throw PgkeepError(
                .usage,
                "--standard and --extended are both given",
                hint: "leave one out"
            )
        }
        let plan = try PolicyChange(session.context(), policy: policy.name) {
            try options.apply(to: &$0)
            if standard { $0.isExtended = false }
        }
        return try change.whatIf ? plan.look() : plan.apply(token: change.token)
    }

    func lines(_ answer: PolicyChange.Answer) -> [String] {
        PolicyText.lines(answer) + (answer.isApplied ? PolicyText.facts(answer.new) : [])
    }
}
