package import Domain
package import Vaulting

extension DueBackups {
    /// The things that need a server, as a test without one puts something else in their place.
    package struct Actions: Sendable {
        /// Looks at the server; the point is the one changes count from.
        package var look:
            @Sendable (JobContext, InstanceRecord, RecoveryPoint?) throws -> SourceLook
        /// Whether the server has too much to do for a backup.
        package var isBusy:
            @Sendable (JobContext, InstanceRecord, SourceLoad.Limits) throws -> Bool = {
                try SourceLoad.isExceeded($0, $1, $2)
            }
        /// Takes a backup, on record as a job.
        package var backUp:
            @Sendable (JobContext, InstanceRecord, BackupOptions, JobID?) throws -> BackupResult

        /// The real ones.
        package static let real = Actions(
            look: { try SourceLook.take($0, $1, since: $2) },
            backUp: { try RecordedBackup.run($0, $1, $2, queued: $3) }
        )

        package init(
            look:
                @escaping @Sendable (JobContext, InstanceRecord, RecoveryPoint?) throws ->
                SourceLook,
            backUp:
                @escaping @Sendable (JobContext, InstanceRecord, BackupOptions, JobID?) throws
                -> BackupResult
        ) {
            self.look = look
            self.backUp = backUp
        }
    }
}
