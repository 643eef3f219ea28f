public import Domain
import Logging
import Platform
public import Vaulting

/// Stops the protection of an instance and keeps what the vault holds of it.
///
/// From the record's change on no host begins a job of it. Last, the replication slot goes.
public struct StopInstance {
    /// What is kept.
    public enum Retention: String, Hashable, Sendable, CaseIterable {
        /// Everything, until somebody decides otherwise.
        case forever
        /// What its policy keeps, and in any case the newest point with its WAL.
        case policy

        /// The state it leads to.
        public var state: InstanceRecord.State {
            self == .forever ? .stoppedForever : .stoppedPolicy
        }
    }

    /// What was done.
    public struct Outcome: Sendable, Encodable {
        /// The record as it is now.
        public var instance: InstanceRecord
        /// What the operator should know.
        public var warnings: [String]
    }

    private let context: JobContext
    private let name: InstanceName
    private let retention: Retention
    private let reason: InstanceRecord.Reason?
    private let comment: String

    /// A stop. One that is stopped already goes over to the other retention.
    public init(
        context: JobContext,
        name: InstanceName,
        retention: Retention,
        reason: InstanceRecord.Reason? = nil,
        comment: String = ""
    ) {
        self.context = context
        self.name = name
        self.retention = retention
        self.reason = reason
        self.comment = comment
    }

    /// Stops. Durable on return, and no stream runs any more unless a warning says so.
    ///
    /// Throws `.refused` by a guard and for an instance that is stopped like this already,
    /// `.notFound`.
    public func run() throws -> Outcome {
        let found = try Instances.findAny(context, name)
        try allow(found)
        var warnings = found.state == .active ? try takeLastWAL(found) : []
        let stored = try context.vault.instances(clock: context.clock).change(name.description) {
            record in
            try allow(record)
            record.state = retention.state
            record.stoppedAt = record.stoppedAt ?? context.clock.now
            record.stopReason = reason ?? record.stopReason
        }
        guard let record = stored.value else { throw Lifecycle.vanished(name) }
        // A pruning that took it for a protected one decides anew.
        try LettingGo(context, record.systemIdentifier).protect()
        try ActivityLog(context.vault, context.clock).append(
            action: "instance.stop",
            instance: name,
            details: ["old": found.state.rawValue, "new": record.state.rawValue],
            reason: reason?.rawValue,
            comment: comment.isEmpty ? nil : comment
        )
        if found.state == .active { warnings += try SlotRemoval(context, record).run() }
        return Outcome(instance: record, warnings: warnings)
    }

    private func allow(_ record: InstanceRecord) throws {
        guard record.state != .deleted else { throw Lifecycle.isDeleted(record) }
        guard record.state != retention.state else {
            throw PgkeepError(
                .refused,
                "\(name) is stopped like this already (\(record.state.rawValue))",
                hint: "take its protection up again with pgkeep instance resume \(name)"
            )
        }
        try Guards.check(context, record, .stop)
    }

    /// Fetches what the server has by now, so that the moment of the stop is within reach. A stream
    /// that runs does so by itself.
    private func takeLastWAL(_ record: InstanceRecord) throws -> [String] {
        do {
            _ = try WALStreamJob(
                context: context,
                instance: record,
                options: WALStreamOptions(untilCaughtUp: true)
            ).run()
            return []
        } catch let error as PgkeepError where error.code == .busy {
            return []
        } catch let error as PgkeepError where error.code != .cancelled {
            return ["the newest WAL could not be fetched: \(error.message)"]
        }
    }
}

/// Words that several steps of an instance's life share.
enum Lifecycle {
    /// The refusal of steps that make no sense in the trash.
    static func isDeleted(_ record: InstanceRecord) -> PgkeepError {
        PgkeepError(
            .refused,
            "\(record.name) is deleted; it lies in the trash",
            hint: "take it out first: pgkeep instance undelete \(record.name)"
        )
    }

    /// Somebody removed the record between two steps.
    static func vanished(_ name: InstanceName) -> PgkeepError {
        PgkeepError(
            .notFound,
            "there is no instance \"\(name)\" any more",
            hint: "see pgkeep instance list"
        )
    }
}
