public import Domain
import Logging
import Platform
import Storage
public import Vaulting

/// Deletes one recovery point: from then on nobody can restore it. Its space, as far as no other
/// point shares it, comes back with the next pruning.
public struct PointDeletion {
    /// What was deleted.
    public struct Report: Sendable, Encodable {
        /// The point.
        public var id: PointID
        /// Its instance.
        public var instance: InstanceName
        /// True when nothing was changed.
        public var isDry: Bool
        /// Bytes pruning will free, those of earlier deletions among them; nil when damage keeps it
        /// from freeing anything.
        public var freedBytes: UInt64?

        enum CodingKeys: String, CodingKey {
            case id, instance
            case isDry = "dry_run"
            case freedBytes = "prune_frees_bytes"
        }
    }

    private let context: JobContext
    private let instance: InstanceRecord
    private let text: String
    private let reason: String
    private let isAutomatic: Bool
    private let isDry: Bool

    /// The deletion of the point of `instance` whose id begins with `text`, or whose name it is.
    ///
    /// - Parameter isAutomatic: points the policy made may be deleted, too.
    public init(
        context: JobContext,
        instance: InstanceRecord,
        point text: String,
        reason: String = "deleted by the operator",
        isAutomatic: Bool = false,
        isDry: Bool = false
    ) {
        self.context = context
        self.instance = instance
        self.text = text
        self.reason = reason
        self.isAutomatic = isAutomatic
        self.isDry = isDry
    }

    /// Deletes it; durable on return, also on a full disk.
    ///
    /// Throws `.notFound`, `.usage` when several begin so, `.refused` for the newest point that can
    /// be restored, for one the policy made, for one that is held, and by guards.
    public func run() throws -> Report {
        // How much it frees is read before it is condemned, since it is of no use afterwards.
        let id = try allow(instance).id
        let freed = try bytesFreed(by: id)
        if isDry { return Report(id: id, instance: instance.name, isDry: true, freedBytes: freed) }
        let records = context.vault.instances(clock: context.clock)
        let point = try LettingGo(context, instance.systemIdentifier).decide {
            // What protects may have changed since it was looked at.
            let point = try allow(records.read(instance.name.description)?.value ?? instance)
            let doomed = LettingGo.Doomed(point: point.id, reason: reason)
            return (LettingGo.Decision(points: [doomed]), point)
        }
        context.log.info("point deleted", metadata: ["point": "\(point.id)"])
        try ActivityLog(context.vault, context.clock).append(
            action: "backup.delete",
            instance: instance.name,
            details: ["point": point.id.description, "name": point.name],
            reason: reason
        )
        return Report(id: point.id, instance: instance.name, isDry: false, freedBytes: freed)
    }

    /// The point, if nothing forbids to delete it.
    private func allow(_ instance: InstanceRecord) throws -> (id: PointID, name: String) {
        let (points, damaged) = try Points.list(context, instance)
        let named = points.first { $0.name == text }?.id
        let id = try named ?? find(points.map(\.id) + damaged.map(\.id))
        let point = points.first { $0.id == id }
        try Guards.check(context, instance, .deletePoint(expiresAt: point?.expiresAt))
        if try newestGood(points) == id {
            throw PgkeepError(
                .refused,
                "\(id) is the newest recovery point of \(instance.name) that can be restored",
                hint: "take another backup first: pgkeep backup create \(instance.name)"
            )
        }
        if let point, point.trigger != .manual, !isAutomatic {
            throw PgkeepError(
                .refused,
                "\(id) was not asked for: its trigger is \(point.trigger.rawValue)",
                hint: "its policy lets it go in time; to delete it now, give --automatic"
            )
        }
        try Holds.check(context, instance, id)
        return (id, point?.name ?? "")
    }

    private func find(_ ids: [PointID]) throws -> PointID {
        let found = ids.filter { $0.description.hasPrefix(text.lowercased()) }
        guard let id = found.first, !text.isEmpty else {
            throw PgkeepError(
                .notFound,
                "there is no recovery point \(text) of \(instance.name)",
                hint: "list them with pgkeep backup list \(instance.name)"
            )
        }
        guard found.count == 1 else {
            throw PgkeepError(
                .usage,
                "\(found.count) recovery points begin with \(text)",
                hint: "give more digits of the one you mean"
            )
        }
        return id
    }

    /// The newest point whose packs are all there.
    private func newestGood(_ points: [RecoveryPoint]) throws -> PointID? {
        try SoundPoints.newestFirst(points).first { try SoundPoints.isSound(context, $0) }?.id
    }

    private func bytesFreed(by id: PointID) throws -> UInt64? {
        var options = Pruner.Options()
        options.isDry = true
        options.assumedGone = [id]
        options.segmentSize = instance.segmentSize
        do {
            return try Pruner(
                context.vault,
                instance.systemIdentifier,
                options: options,
                clock: context.clock,
                token: context.token
            ).prune().droppedBytes
        } catch let error as PgkeepError where error.isDamage {
            return nil
        }
    }
}
