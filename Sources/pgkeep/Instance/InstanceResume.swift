import ArgumentParser
import Domain
import Engine
import Vaulting

/// `instance resume`
struct InstanceResume: Verb {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: "Protect a stopped instance again.",
        discussion: """
            Makes a new replication slot, takes a backup at once, and prunes what its policy has \
            let go meanwhile. What the server wrote while protection was stopped stays out of \
            reach, a gap in the recovery window, unless the server still has that WAL for the next \
            stream. Start the WAL stream again yourself.

              pgkeep instance resume main
            """
    )

    @OptionGroup var instance: NameArgument
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> ResumeInstance.Outcome {
        let (context, name) = (try session.context(), try instance.name)
        return try Job.run(context, kind: .lifecycle, instance: name, trigger: "manual") { job in
            let outcome = try ResumeInstance(context: job.context, name: name).run()
            for warning in outcome.warnings { job.warn(warning) }
            return outcome
        }
    }

    func lines(_ answer: ResumeInstance.Outcome) -> [String] {
        let name = answer.instance.name
        var lines = answer.warnings.map { "warning: \($0)" }
        lines.append("Instance \(name) is protected again.")
        if let gap = answer.gap {
            lines.append("gap: \(gap.from) to \(gap.to) was written while it was stopped")
        }
        return lines + [
            PointText.made(answer.point), "Keep its WAL flowing: pgkeep wal stream \(name)",
        ]
    }
}
