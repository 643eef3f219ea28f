import ArgumentParser
import Domain
import Vaulting

/// Why an instance is stopped or deleted: one of a list, and the operator's own words.
struct ReasonOptions: ParsableArguments {
    @Option(
        name: .customLong("reason"),
        help: ArgumentHelp(
            "Why: \(Choice.list(InstanceRecord.Reason.self)).",
            valueName: "reason"
        )
    )
    var text: String?

    @Option(help: ArgumentHelp("Your own words, kept in the vault.", valueName: "text"))
    var comment = ""

    /// The reason, checked; nil when none was given.
    var reason: InstanceRecord.Reason? {
        get throws(PgkeepError) {
            guard let text else { return nil }
            return try Choice.parse(text, "--reason")
        }
    }

    /// The reason, which must be given.
    func require() throws(PgkeepError) -> InstanceRecord.Reason {
        guard let reason = try reason else {
            throw PgkeepError(
                .usage,
                "--reason is missing",
                hint: "give one of \(Choice.list(InstanceRecord.Reason.self))"
            )
        }
        return reason
    }
}
