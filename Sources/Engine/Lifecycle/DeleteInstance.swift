public import Domain
import Logging
import Platform
public import Vaulting

/// Puts an instance into the trash: from then on nothing of it can be restored, and after some
/// days pruning deletes it for good. Until then it can be taken out again.
public struct DeleteInstance {
    /// How to delete.
    public struct Options: Sendable {
        /// The instance's name once more, as the operator typed it.
        public var confirmedName: String
        /// Why.
        public var reason: InstanceRecord.Reason
        /// The operator's own words.
        public var comment = ""
        /// Days in the trash.
        public var trashDays = DeleteInstance.trashDaysDefault
        /// The token of a plan; nil where the caller asks for none (`instance stop --delete-data`).
        public var token: String?
        /// Take a last backup first, which outlives the purge.
        public var takesFinalBackup = false
        /// Until when it does; nil for ever.
        public var keepUntil: Timestamp?

        /// A deletion without last backup.
        public init(confirmedName: String, reason: InstanceRecord.Reason) {
            self.confirmedName = confirmedName
            self.reason = reason
        }
    }

    /// What was done.
    public struct Outcome: Sendable, Encodable {
        /// The record as it is now.
        public var instance: InstanceRecord
        /// The last backup, if one was asked for.
        public var finalPoint: RecoveryPoint?
        /// What the operator should know.
        public var warnings: [String]

        enum CodingKeys: String, CodingKey {
            case instance, warnings
            case finalPoint = "final_point"
        }

        /// Writes every key, unknown values as null.
        public func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(instance, forKey: .instance)
            try container.encode(finalPoint, forKey: .finalPoint)
            try container.encode(warnings, forKey: .warnings)
        }
    }

    /// Days in the trash unless told otherwise: the fewest.
    public static let trashDaysDefault = 14
    /// What may be asked for.
    public static let trashDays = 14...180

    private let context: JobContext
    private let name: InstanceName
    private let options: Options

    /// The deletion of an instance.
    public init(context: JobContext, name: InstanceName, options: Options) {
        self.context = context
        self.name = name
        self.options = options
    }

    /// Deletes. Durable on return; every check comes before the first change, and the backup
    /// before the deletion.
    ///
    /// Throws `.refused` by a guard, for a name or token that is not the right one, and for an
    /// instance in the trash; `.notFound`; what keeps a last backup from being taken.
    public func run() throws -> Outcome {
        let found = try Instances.findAny(context, name)
        try allow(found)
        guard options.confirmedName == name.description else {
            throw PgkeepError(
                .refused,
                "--confirm-name \(options.confirmedName) is not the instance's name",
                hint: "nothing was deleted; give --confirm-name \(name) if it is the one you mean"
            )
        }
        let token = try options.token.map { try DeletionToken.check(context, found, $0) }
        var final: BackupResult?
        if options.takesFinalBackup { final = try takeBackup(found) }
        if let token { try DeletionToken.use(context, token) }
        let stored = try context.vault.instances(clock: context.clock).change(name.description) {
            record in
            try allow(record)
            record.trash = trash(record, final?.point)
            record.state = .deleted
            record.stoppedAt = record.stoppedAt ?? context.clock.now
            record.stopReason = options.reason
            record.finalPoint = nil
            record.finalUntil = nil
        }
        guard let record = stored.value else { throw Lifecycle.vanished(name) }
        try ActivityLog(context.vault, context.clock).append(
            action: "instance.delete",
            instance: name,
            details: details(found, record),
            reason: options.reason.rawValue,
            comment: options.comment.isEmpty ? nil : options.comment
        )
        var warnings = final?.warnings ?? []
        if found.state == .active { warnings += try SlotRemoval(context, record).run() }
        return Outcome(instance: record, finalPoint: final?.point, warnings: warnings)
    }

    private func allow(_ record: InstanceRecord) throws {
        guard record.state != .deleted else { throw Lifecycle.isDeleted(record) }
        try Guards.check(context, record, .deleteData)
    }

    private func trash(
        _ record: InstanceRecord,
        _ final: RecoveryPoint?
    ) -> InstanceRecord.Trash {
        let now = context.clock.now
        var trash = InstanceRecord.Trash(
            deletedAt: now,
            purgeAt: now.adding(seconds: Int64(options.trashDays) * 86400),
            reason: options.reason,
            comment: options.comment,
            by: ActivityLog.actor,
            formerState: record.state
        )
        trash.finalPoint = final?.id
        trash.keepUntil = final == nil ? nil : options.keepUntil
        return trash
    }

    private func details(_ old: InstanceRecord, _ new: InstanceRecord) -> [String: String] {
        var details = ["old": old.state.rawValue, "new": new.state.rawValue]
        details["purge_at"] = new.trash?.purgeAt.description
        details["final_point"] = new.trash?.finalPoint?.description
        details["keep_until"] = new.trash?.keepUntil?.description
        return details
    }

    private func takeBackup(_ record: InstanceRecord) throws -> BackupResult {
        do {
            var backup = BackupOptions(trigger: .manual)
            backup.note = "the last one before its instance was deleted"
            return try RecordedBackup.run(context, record, backup)
        } catch let error as PgkeepError {
            throw PgkeepError(
                error.code,
                "nothing was deleted, since the last backup of \(name) failed",
                hint: error.hint.isEmpty ? "mend that, or leave out --final-backup" : error.hint,
                cause: error
            )
        }
    }
}
