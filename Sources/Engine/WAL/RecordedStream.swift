import Domain
import Platform
import Postgres
public import Vaulting

/// A stream that is on record as a job.
public enum RecordedStream {
    /// What became of it.
    public enum Outcome: Sendable {
        /// It streamed, and ended in good order.
        case streamed(WALStreamResult)
        /// There was nothing to stream from, which is no failure of a call that only wants to catch
        /// up: the server does not run.
        case serverStopped
        /// As above: the instance's protection is stopped.
        case protectionStopped
        /// A stream that would have stayed was told to stop before it had reached a server.
        case stoppedEarly
    }

    /// Streams as `WALStreamJob` does.
    ///
    /// Asked to catch up with a server that certainly does not run, it puts that on record once and
    /// throws nothing; one that cannot be reached is `.sourceUnreachable` as ever.
    public static func run(
        _ context: JobContext,
        _ instance: InstanceRecord,
        _ options: WALStreamOptions,
        trigger: String
    ) throws -> Outcome {
        if options.untilCaughtUp, instance.state != .active { return .protectionStopped }
        if options.untilCaughtUp, try isStopped(context, instance, options) {
            StoppedServer.note(context, instance, trigger: trigger)
            return .serverStopped
        }
        let result = try Job.run(
            context,
            kind: .stream,
            instance: instance.name,
            trigger: trigger,
            isQuiet: true
        ) { job in
            try WALStreamJob(context: job.context, instance: instance, options: options).run()
        }
        return result.timeline == 0 ? .stoppedEarly : .streamed(result)
    }

    /// Whether no server of the instance certainly runs. Looked at before the job is begun, so that
    /// nothing is on record of what is found every minute.
    private static func isStopped(
        _ context: JobContext,
        _ instance: InstanceRecord,
        _ options: WALStreamOptions
    ) throws -> Bool {
        do {
            let reached = try SourceEndpoints(
                context,
                instance,
                instance.walFrom,
                applicationName: options.applicationName
            ).reach()
            reached.connection.close()
            return false
        } catch let error as PgkeepError {
            try context.token.check()
            return error.tellsServerIsStopped
        }
    }
}
