import ArgumentParser
import Domain
import Engine
import Platform

/// `metrics`
///
/// Not a `Verb`: its document is no JSON, and goes to standard output all the same.
struct MetricsVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "metrics",
        abstract: "Write status and usage as text for monitoring systems.",
        discussion: """
            The text exposition format: what each instance takes by kind, its protection state, \
            its last backup, its RPO, the vault's space, open alerts. Let cron write it where a \
            node exporter picks it up; an agent serves the same, and its own, over HTTP.

              pgkeep metrics > /var/lib/node_exporter/pgkeep.prom
            """
    )

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func run() throws {
        guard !global.json else {
            throw PgkeepError(
                .usage,
                "metrics has a format of its own",
                hint: "leave out --json, or use status --json and vault usage --json"
            )
        }
        let context = try Session(global).context()
        let text = Metrics.text(
            try StatusReport.read(context),
            try UsageReport.read(context),
            try AlertListing.read(context),
            version: Version.text,
            readAt: context.clock.now
        )
        Terminal.write(text, to: .output)
    }
}
