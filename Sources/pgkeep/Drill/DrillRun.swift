import ArgumentParser
import Domain
import Engine
import Platform
import Vaulting

/// `drill run`
struct DrillRun: Verb {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Restore an instance for proof, check the copy, and throw it away.",
        discussion: """
            Restores as restore start --run does, into a scratch directory; has pg_verifybackup \
            look at the copy before it is started, waits for the end of its recovery, runs \
            pg_amcheck where it is installed and your own checks, stops the copy and removes it, \
            also after Ctrl-C, a failure or a kill. No network leads to the copy, and only its \
            owner can reach its socket. The receipt stays: drill list, drill show.

            Exits 0 when the copy is sound and 6 when it is not; 3 or 7 when the drill could not \
            be carried out, which says nothing about the backups.

              pgkeep drill run main
              pgkeep drill run main --random --check shop=orders.sql
              pgkeep drill run main --time 2026-03-14T15:09:26Z --junit drill.xml --json
            """
    )

    @OptionGroup var instance: NameArgument
    @OptionGroup(title: "Target") var target: TargetOptions

    @Flag(help: "A random moment of the recovery window.")
    var random = false

    @OptionGroup var settings: DrillSettings

    @Option(
        help: ArgumentHelp(
            "Let the copy stay so long once it is judged, for others to look at; Ctrl-C ends it.",
            valueName: "duration"
        )
    )
    var keep: String?

    @Option(
        help: ArgumentHelp("Write a JUnit report for a build server.", valueName: "file"),
        completion: .file()
    )
    var junit: String?

    @OptionGroup(title: "Global options") var global: GlobalOptions

    struct Answer: Encodable {
        var drill: Drill
        var error: PgkeepError?

        func encode(to encoder: any Encoder) throws { try drill.encode(to: encoder) }
    }

    func answer(_ session: Session) throws -> Answer {
        try target.check()
        guard !random || !target.isGiven else {
            throw PgkeepError(
                .usage,
                "--random is a target of its own",
                hint: "leave it or the other target out"
            )
        }
        var options = try settings.options(trigger: session.trigger(else: "manual"))
        options.isRandom = random
        options.keepSeconds = try keepSeconds()
        let context = try session.context()
        let record = try Instances.find(context, instance.name)
        options.spec = try target.spec(context)
        do {
            let result = try DrillSettings.drill(session, context, record, options)
            if let junit { try JUnitReport(result.drill).write(to: junit) }
            return Answer(drill: result.drill, error: result.error)
        } catch {
            if let junit {
                try? JUnitReport(record.name, error, session.clock.now).write(to: junit)
            }
            throw error
        }
    }

    private func keepSeconds() throws -> Double {
        guard let keep else { return 0 }
        guard case .duration(let seconds) = Amount(keep), seconds <= 168 * 3600 else {
            throw PgkeepError(
                .usage,
                "--keep \(keep) is no duration of up to 168 hours",
                hint: "write it like 30min or 2h"
            )
        }
        return seconds
    }

    func failure(_ answer: Answer) -> PgkeepError? { answer.error }

    func lines(_ answer: Answer) -> [String] {
        DrillText.facts(answer.drill) + ["The copy is gone again."]
    }
}
