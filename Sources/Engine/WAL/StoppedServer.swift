import Domain
import Logging
import Platform
import Vaulting

/// That a call to fetch WAL has found an instance's server stopped, and said so in a job: cron
/// calls every minute, and one record tells it all. Record `server-stopped`.
struct StoppedServer: Codable, Sendable {
    /// When it was found.
    var since: Timestamp

    private static func store(_ context: JobContext) -> RecordStore<StoppedServer> {
        RecordStore(context.vault, kind: "server-stopped", clock: context.clock)
    }

    /// Puts on record that there was nothing to stream from, unless that is known already.
    static func note(_ context: JobContext, _ instance: InstanceRecord, trigger: String) {
        attempt(context) {
            let id = instance.systemIdentifier.hex
            guard try store(context).read(id)?.value == nil else { return }
            do {
                try store(context).create(id, StoppedServer(since: context.clock.now))
            } catch let error as PgkeepError where [.exists, .busy].contains(error.code) {
                // Another host was faster, and tells of it.
                return
            }
            try Job.recordSkipped(
                context,
                kind: .stream,
                instance: instance.name,
                trigger: trigger,
                reason: SkipReason.serverStopped.rawValue
            )
        }
    }

    /// Forgets it: the server answers.
    static func forget(_ context: JobContext, _ system: SystemIdentifier) {
        attempt(context) {
            guard let record = try store(context).read(system.hex), record.value != nil else {
                return
            }
            try store(context).remove(record)
        }
    }

    /// What people are told is never worth an error of what is done.
    private static func attempt(_ context: JobContext, _ body: () throws -> Void) {
        do {
            try body()
        } catch {
            context.log.debug("stopped server not noted", metadata: ["why": "\(error)"])
        }
    }
}
