import ArgumentParser
import Domain
import Engine
import Platform
import Vaulting

/// `instance delete`
struct InstanceDelete: Verb {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete an instance in two steps: look at the plan, then confirm it.",
        discussion: """
            The plan counts what would go and gives a token, good once and for an hour. With it \
            the instance goes into the trash: nothing of it can be restored, and no host protects \
            it any more. For 14 days or more it can be taken out again with instance undelete; \
            then vault prune deletes it for good, but for the last backup if one was asked for.

              pgkeep instance delete main --plan
              pgkeep instance delete main --token 6e1f… --confirm-name main --reason migrated
            """
    )

    @OptionGroup var instance: NameArgument

    @Flag(help: "Only count what would go, and give the token.")
    var plan = false

    @Option(help: ArgumentHelp("The token of the plan.", valueName: "token"))
    var token: String?

    @Option(help: ArgumentHelp("The instance's name again.", valueName: "name"))
    var confirmName: String?

    @OptionGroup var reasons: ReasonOptions

    @Option(
        help: ArgumentHelp(
            "Days in the trash, 14 to 180.",
            valueName: "days"
        )
    )
    var trashDays = DeleteInstance.trashDaysDefault

    @Flag(help: "Take a last backup first, which outlives the trash.")
    var finalBackup = false

    @Option(
        help: ArgumentHelp("Until when that backup is kept (default: for ever).", valueName: "time")
    )
    var keepUntil: String?

    @OptionGroup var confirmation: Confirmation
    @OptionGroup(title: "Global options") var global: GlobalOptions

    /// The plan, or what was done.
    enum Answer: Encodable {
        case plan(DeletionPlan)
        case done(LifecycleAnswer)

        func encode(to encoder: any Encoder) throws {
            switch self {
            case .plan(let plan): try plan.encode(to: encoder)
            case .done(let done): try done.encode(to: encoder)
            }
        }
    }

    func answer(_ session: Session) throws -> Answer {
        let name = try instance.name
        guard !plan else {
            guard token == nil, !finalBackup else {
                throw PgkeepError(
                    .usage,
                    "--plan only looks; it goes with no other step",
                    hint: "give --plan alone, then its token"
                )
            }
            return .plan(try DeletionPlan.make(session.context(), name))
        }
        return .done(try delete(name, session))
    }

    private func delete(_ name: InstanceName, _ session: Session) throws -> LifecycleAnswer {
        let context = try session.context()
        _ = try Instances.findAny(context, name)
        guard let token else {
            throw PgkeepError(
                .refused,
                "deleting \(name) needs the token of a plan",
                hint: "look at the plan first: pgkeep instance delete \(name) --plan"
            )
        }
        guard let confirmName else { throw LifecycleAnswer.missingName(name) }
        try Limits.check(trashDays, "--trash-days", DeleteInstance.trashDays)
        var options = DeleteInstance.Options(
            confirmedName: confirmName,
            reason: try reasons.require()
        )
        options.comment = reasons.comment
        options.trashDays = trashDays
        options.token = token
        options.takesFinalBackup = finalBackup
        options.keepUntil = try keepUntil.map { try moment($0, after: session.clock.now) }
        try confirmation.ask(
            session,
            "Instance \(name) goes into the trash; nothing of it can be restored then.",
            word: name.description
        )
        return try LifecycleAnswer.delete(context, name, options)
    }

    private func moment(_ text: String, after now: Timestamp) throws(PgkeepError) -> Timestamp {
        guard finalBackup, let moment = Timestamp(text), moment > now else {
            throw PgkeepError(
                .usage,
                "--keep-until \(text) is no later time, or there is no --final-backup to keep",
                hint: "write it like 2027-01-31T00:00:00Z"
            )
        }
        return moment
    }

    func lines(_ answer: Answer) -> [String] {
        switch answer {
        case .done(let done): return done.lines
        case .plan(let plan):
            var facts = Facts()
            facts.add("instance", "\(plan.instance) (\(plan.state.rawValue))")
            facts.add("recovery points", String(plan.points))
            facts.add("oldest", plan.oldest.map(Wording.time))
            facts.add("newest", plan.newest.map(Wording.time))
            facts.add("bytes", Wording.bytes(plan.bytes))
            facts.add("of them WAL", Wording.bytes(plan.walBytes))
            facts.add("in the trash", Wording.count(plan.trashDays, "day"))
            facts.add("token", "\(plan.token) until \(Wording.time(plan.tokenExpiresAt))")
            return facts.lines + [
                "Go on: pgkeep instance delete \(plan.instance) --token \(plan.token)"
                    + " --confirm-name \(plan.instance) --reason REASON"
            ]
        }
    }
}
