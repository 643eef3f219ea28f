import ArgumentParser
import Domain
import Engine
import Platform
import Vaulting

/// `job list`
struct JobList: Verb {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List jobs: what runs, and what ended in the last 7 days.",
        discussion: """
            Every run of anything is a job, also one that was skipped; whatever host it runs on, \
            it is listed here. A job whose process was killed is closed as failed. Records are \
            kept for 90 days. A stream that ends well and had nothing to fetch leaves no record.

              pgkeep job list
              pgkeep job list --all --status failed,skipped
              pgkeep job list --instance main --kind backup --since 30d
            """
    )

    @Option(
        name: .customLong("instance"),
        help: ArgumentHelp("Only jobs of this instance.", valueName: "name")
    )
    var instanceName: String?

    @Option(
        help: ArgumentHelp(
            "Only jobs in these states: queued, running, completed, completed-warning, failed, "
                + "cancelled, skipped.",
            valueName: "state,…"
        )
    )
    var status: [String] = []

    @Option(help: ArgumentHelp("Only jobs of these kinds.", valueName: "kind,…"))
    var kind: [String] = []

    @Option(
        help: ArgumentHelp(
            "Jobs that ended since then: a duration back, or a time (default: 7d).",
            valueName: "duration|time"
        )
    )
    var since: String?

    @Flag(help: "All jobs on record.")
    var all = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> JobListing {
        guard !all || since == nil else {
            throw PgkeepError(.usage, "--all and --since are both given", hint: "leave one out")
        }
        var question = try JobListing.Question(
            since: since,
            instance: instanceName,
            states: status,
            kinds: kind,
            now: session.clock.now,
            prefix: "--"
        )
        if all { question.since = nil }
        return try JobListing.read(session.context(), question)
    }

    func lines(_ answer: JobListing) -> [String] {
        answer.jobs.isEmpty ? ["There is no such job on record."] : JobText.table(answer.jobs)
    }
}
