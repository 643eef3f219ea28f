public import Domain
public import Vaulting

/// A backup that is on record as a job.
public enum RecordedBackup {
    /// Takes a backup of `instance`; blocks until its point is committed.
    ///
    /// - Parameter queued: the id under which it was asked for, if it was.
    /// - Throws: what `BackupJob.run` throws.
    public static func run(
        _ context: JobContext,
        _ instance: InstanceRecord,
        _ options: BackupOptions,
        queued: JobID? = nil
    ) throws -> BackupResult {
        try Job.run(
            context,
            kind: .backup,
            instance: instance.name,
            trigger: options.trigger.rawValue,
            queued: queued
        ) { job in
            let result = try BackupJob(
                context: job.context,
                instance: instance,
                options: options
            ).run()
            job.setPoint(result.point.id)
            for warning in result.warnings { job.warn(warning) }
            return result
        }
    }
}
