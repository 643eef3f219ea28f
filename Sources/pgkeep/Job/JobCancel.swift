import ArgumentParser
import Domain
import Engine
import Vaulting

/// `job cancel`
struct JobCancel: Verb {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "End a job, whatever host it runs on.",
        discussion: """
            A queued job is cancelled at once. A running one is asked to end, and does so within \
            seconds, as by Ctrl-C: a backup leaves nothing that counts, and the next one goes on \
            from what it stored; a restore removes what it wrote. Follow it with job watch.

              pgkeep job cancel 0197a3c2
            """
    )

    @OptionGroup var job: JobArgument
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func answer(_ session: Session) throws -> JobRecord {
        let context = try session.context()
        let record = try Jobs.cancel(context, job.text)
        try ActivityLog(context.vault, context.clock).append(
            action: "job.cancelled",
            instance: record.instance,
            details: ["job": record.id.description, "kind": record.kind.rawValue]
        )
        return record
    }

    func lines(_ answer: JobRecord) -> [String] {
        answer.state.isEnd
            ? ["Job \(answer.id) is \(answer.state.rawValue)."]
            : ["Job \(answer.id) is asked to end: pgkeep job watch \(answer.id)"]
    }
}
