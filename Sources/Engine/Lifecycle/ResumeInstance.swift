public import Domain
import Logging
import Platform
import Postgres
public import Vaulting

/// Takes up the protection of a stopped instance again: a new slot, a backup at once, then one
/// pruning, since what its policy let go meanwhile was kept.
///
/// What was written while it was stopped is a gap of the recovery window, unless the server still
/// has that WAL: then the next stream fetches it, and the window goes on without one.
public struct ResumeInstance {
    /// What was done.
    public struct Outcome: Sendable, Encodable {
        /// The record as it is now.
        public var instance: InstanceRecord
        /// The WAL nobody has.
        public var gap: RecoveryWindow.Gap?
        /// The backup taken.
        public var point: RecoveryPoint
        /// What the operator should know.
        public var warnings: [String]

        private enum CodingKeys: CodingKey { case instance, gap, point, warnings }

        /// Writes every key, unknown values as null.
        public func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(instance, forKey: .instance)
            try container.encode(gap, forKey: .gap)
            try container.encode(point, forKey: .point)
            try container.encode(warnings, forKey: .warnings)
        }
    }

    private let context: JobContext
    private let name: InstanceName
    private let trustsClock: Bool

    /// The resumption of an instance.
    ///
    /// - Parameter trustsClock: as for `PruneJob`.
    public init(context: JobContext, name: InstanceName, trustsClock: Bool = false) {
        self.context = context
        self.name = name
        self.trustsClock = trustsClock
    }

    /// Resumes. Throws `.refused` by a guard and for an instance that is not stopped, and what is
    /// wrong with the source; where only the backup fails, the instance is active all the same.
    public func run() throws -> Outcome {
        let found = try Instances.findAny(context, name)
        try allow(found)
        context.meter.begin("connect")
        let settings = try SourceEndpoints(context, found, found.walFrom).settings()
        _ = try SourceCheck.run(context, settings, found.systemIdentifier)
        // The slot comes first: from now on no WAL is lost, whatever happens to us.
        let gap = try found.slot.flatMap { try reserve($0, found, settings) }
        let stored = try context.vault.instances(clock: context.clock).change(name.description) {
            record in
            try allow(record)
            record.state = .active
            record.stoppedAt = nil
            record.stopReason = nil
            record.finalPoint = nil
            record.finalUntil = nil
        }
        guard let record = stored.value else { throw Lifecycle.vanished(name) }
        try ActivityLog(context.vault, context.clock).append(
            action: "instance.resume",
            instance: name,
            details: ["old": found.state.rawValue, "new": record.state.rawValue]
        )
        let backup = try takeBackup(record)
        let pruned = try Job.run(context, kind: .prune, instance: name, trigger: "manual") {
            try PruneJob(
                context: $0.context,
                instance: record,
                trustsClock: trustsClock
            ).run()
        }
        return Outcome(
            instance: record,
            gap: gap,
            point: backup.point,
            warnings: backup.warnings + pruned.failed.values
        )
    }

    private func allow(_ record: InstanceRecord) throws {
        switch record.state {
        case .deleted: throw Lifecycle.isDeleted(record)
        case .active:
            throw PgkeepError(
                .refused,
                "\(name) is not stopped",
                hint: "its protection goes on; see pgkeep instance show \(name)"
            )
        case .stoppedForever, .stoppedPolicy: try Guards.check(context, record, .resume)
        }
    }

    /// Makes the slot and writes down what was missed. One that outlived the stop, since its server
    /// was out of reach then, has kept everything.
    private func reserve(
        _ name: String,
        _ record: InstanceRecord,
        _ settings: ConnectionSettings
    ) throws -> RecoveryWindow.Gap? {
        let connection = try Connection(
            settings,
            kind: .physicalReplication,
            applicationName: "pgkeep",
            cancellation: context.token
        )
        let sql = try? Connection(
            settings,
            kind: .sql,
            applicationName: "pgkeep",
            cancellation: context.token
        )
        func read() throws -> ReplicationSlot? {
            try ReplicationSlots.read(name, replication: connection, sql: sql)
        }
        var slot = try read()
        if slot?.isLost ?? true {
            if slot != nil { try ReplicationSlots.drop(name, on: connection) }
            try ReplicationSlots.create(name, isTemporary: false, on: connection)
            slot = try read()
        }
        guard let kept = slot?.restartLSN else { return nil }
        let identity = try connection.identifySystem()
        let history = try connection.timelineHistory(of: identity.timeline)?.history
        return try recordGap(record, upTo: kept, history ?? .root(identity.timeline))
    }

    private func recordGap(
        _ record: InstanceRecord,
        upTo kept: LSN,
        _ history: TimelineHistory
    ) throws -> RecoveryWindow.Gap? {
        let archive = try WALArchive.load(
            context.vault,
            record.systemIdentifier,
            segmentSize: record.segmentSize
        )
        let first = record.segmentSize.segmentStart(kept)
        guard let end = archive.resumption(on: history) else { return nil }
        // Of a segment that was broken off, the beginning is held.
        let held = try archive.durableEnd(of: end.timeline, from: end.position) ?? end.position
        guard held < first else { return nil }
        try LossRecord(
            systemIdentifier: record.systemIdentifier,
            timeline: end.timeline,
            from: held,
            to: first,
            cause: .stopped,
            at: context.clock.now
        ).store(in: context.vault, clock: context.clock)
        return RecoveryWindow.Gap(from: held, to: first, cause: .stopped)
    }

    private func takeBackup(_ record: InstanceRecord) throws -> BackupResult {
        do {
            return try RecordedBackup.run(context, record, BackupOptions(trigger: .initial))
        } catch let error as PgkeepError {
            throw PgkeepError(
                error.code,
                "\(name) is active again, but its first backup failed",
                hint: error.hint.isEmpty ? "run pgkeep backup create \(name)" : error.hint,
                cause: error
            )
        }
    }
}
