public import Domain
import Platform
import Storage
import Vaulting

/// The state of everything a vault protects: what `status` shows, the worst first.
public struct StatusReport: Sendable, Encodable {
    /// The worst state of any instance; nil when there is none.
    public var state: Protection.State?
    /// The worst first, then by name.
    public var instances: [InstanceStatus]
    /// Jobs that run now.
    public var runningJobs: Int
    /// Jobs that failed in the last day.
    public var failedJobs: Int
    /// Alerts that are open, the worst first, as the last alert check left them.
    public var alerts: [Alert]
    /// Where the vault is.
    public var vault: String
    /// Bytes in the vault.
    public var totalBytes: UInt64
    /// Bytes its storage still has; nil when it cannot say.
    public var freeBytes: UInt64?
    /// Why an instance is missing here: its record is damaged. Nil when none is.
    public var error: PgkeepError?

    enum CodingKeys: String, CodingKey {
        case state, instances, alerts, vault
        case runningJobs = "running_jobs"
        case failedJobs = "failed_jobs_24h"
        case totalBytes = "total_bytes"
        case freeBytes = "free_bytes"
        case errorCode = "error_code"
    }

    /// Writes every key, unknown values as null.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(state, forKey: .state)
        try container.encode(instances, forKey: .instances)
        try container.encode(runningJobs, forKey: .runningJobs)
        try container.encode(failedJobs, forKey: .failedJobs)
        try container.encode(alerts, forKey: .alerts)
        try container.encode(vault, forKey: .vault)
        try container.encode(totalBytes, forKey: .totalBytes)
        try container.encode(freeBytes, forKey: .freeBytes)
        try container.encode(error?.code.name, forKey: .errorCode)
    }

    /// Reads the vault; asks no server. What is known of the other instances is shown although the
    /// record of one is damaged.
    public static func read(_ context: JobContext) throws -> StatusReport {
        let usage = try VaultUsage(context.vault)
        let quotas = try Quota.list(context)
        let jobs = try Jobs.list(context, since: context.clock.now.adding(seconds: -86400))
        let (records, damaged) = try Instances.readable(context)
        var instances = try records.map { record in
            try InstanceStatus.read(
                context,
                record,
                objects: usage.instances[record.systemIdentifier] ?? VaultUsage.Instance(),
                quota: quotas[record.systemIdentifier] ?? .standard,
                jobs: jobs
            )
        }
        instances.sort { ($1.state, $0.name) < ($0.state, $1.name) }
        return StatusReport(
            state: instances.first?.state,
            instances: instances,
            runningJobs: jobs.count { $0.state == .running },
            failedJobs: jobs.count { $0.state == .failed },
            alerts: try Alerts.list(context),
            vault: context.vault.store.location,
            totalBytes: usage.totalBytes,
            freeBytes: try context.vault.store.space()?.freeBytes,
            error: damaged.first?.error
        )
    }
}
