import ArgumentParser
import Domain
import Engine
import Vaulting

/// `instance stop`
struct InstanceStop: Verb {
    static let configuration = CommandConfiguration(
        commandName: "stop",
        abstract: "Stop protecting an instance, keeping its points or not.",
        discussion: """
            No backup is taken and no WAL is streamed any more, on no host, and the replication \
            slot goes. With --retain forever nothing expires; with --retain policy points expire \
            as their policy says, but the newest one stays with its WAL. Both can be resumed, and \
            restored from.

            With --delete-data the instance goes into the trash: nothing of it can be restored. \
            For 14 days it can be taken out again with instance undelete; then vault prune deletes \
            it for good.

              pgkeep instance stop main --retain policy --reason decommissioned
              pgkeep instance stop main --delete-data --confirm-name main --reason test
            """
    )

    @OptionGroup var instance: NameArgument

    @Option(
        help: ArgumentHelp(
            "What to keep: \(Choice.list(StopInstance.Retention.self)).",
            valueName: "what"
        )
    )
    var retain: String?

    @Flag(help: "Keep nothing: put the instance into the trash.")
    var deleteData = false

    @Option(
        help: ArgumentHelp("The instance's name again, for --delete-data.", valueName: "name")
    )
    var confirmName: String?

    @OptionGroup var reasons: ReasonOptions
    @OptionGroup var confirmation: Confirmation
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> LifecycleAnswer {
        let name = try instance.name
        guard (retain != nil) != deleteData else {
            throw PgkeepError(
                .usage,
                "it is not said, or said twice, what is to become of the points of \(name)",
                hint: "give --retain forever, --retain policy or --delete-data"
            )
        }
        guard let retain else { return try delete(name, session) }
        let retention: StopInstance.Retention = try Choice.parse(retain, "--retain")
        let reason = try reasons.reason
        let context = try session.context()
        let record = try Instances.findAny(context, name)
        try confirmation.ask(
            session,
            "Protection of \(name) stops; its state will be \(retention.state.rawValue) instead of"
                + " \(record.state.rawValue).",
            word: name.description
        )
        let outcome = try Job.run(context, kind: .lifecycle, instance: name, trigger: "manual") {
            job in
            let outcome = try StopInstance(
                context: job.context,
                name: name,
                retention: retention,
                reason: reason,
                comment: reasons.comment
            ).run()
            for warning in outcome.warnings { job.warn(warning) }
            return outcome
        }
        return LifecycleAnswer(outcome.instance, warnings: outcome.warnings)
    }

    private func delete(_ name: InstanceName, _ session: Session) throws -> LifecycleAnswer {
        let reason = try reasons.require()
        guard let confirmName else { throw LifecycleAnswer.missingName(name) }
        let context = try session.context()
        _ = try Instances.findAny(context, name)
        try confirmation.ask(
            session,
            "All recovery points of \(name) go into the trash; none of them can be restored.",
            word: name.description
        )
        var options = DeleteInstance.Options(confirmedName: confirmName, reason: reason)
        options.comment = reasons.comment
        return try LifecycleAnswer.delete(context, name, options)
    }

    func lines(_ answer: LifecycleAnswer) -> [String] { answer.lines }
}
