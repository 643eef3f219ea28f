public import Domain
import Platform
public import Vaulting

/// The holds of a vault: what must stay whatever policies say.
public enum Holds {
    private static func store(_ context: JobContext) -> RecordStore<Hold> {
        RecordStore(context.vault, kind: "hold", clock: context.clock)
    }

    /// The holds on an instance, or all, oldest first. Throws when one cannot be read: what it
    /// holds is unknown, and nothing may be let go then.
    public static func list(
        _ context: JobContext,
        _ instance: InstanceName? = nil
    ) throws -> [Hold] {
        try store(context).list().compactMap(\.value).filter {
            instance == nil || $0.instance == instance
        }.sorted { $0.id < $1.id }
    }

    /// A hold that was made.
    public struct Addition: Sendable, Encodable {
        /// The hold.
        public var hold: Hold
        /// The first of the moments held that pruning had not let go already; nil when that is
        /// true of all, and for a hold on a point. What is left of those before it stays, too.
        public var keptFrom: Timestamp?

        private enum CodingKeys: String, CodingKey { case keptFrom = "kept_from" }

        /// The hold's keys, and what is known besides.
        public func encode(to encoder: any Encoder) throws {
            try hold.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(keptFrom, forKey: .keptFrom)
        }
    }

    /// Holds a point or all moments of a span. Durable on return, and from then on no pruning and
    /// no deletion of any host lets go what is held, also none that is at work now.
    ///
    /// Throws `.notFound` when a point to be held is not there, also when it was let go at this
    /// very moment; `.refused` when its instance is being deleted for good. Then there is no hold.
    public static func add(
        _ context: JobContext,
        _ instance: InstanceRecord,
        _ subject: Hold.Subject,
        title: String
    ) throws -> Addition {
        guard !title.isEmpty else {
            throw PgkeepError(.usage, "a hold needs a title", hint: "give --title TEXT")
        }
        if case .moments(let from, let to) = subject, from > to {
            throw PgkeepError(
                .usage,
                "the hold would end before it begins",
                hint: "give --from the earlier moment"
            )
        }
        var generator = SystemRandomNumberGenerator()
        let hold = Hold(
            id: PointID(
                time: context.clock.now,
                random: (generator.next(), generator.next())
            ),
            instance: instance.name,
            subject: subject,
            title: title,
            createdAt: context.clock.now,
            by: ActivityLog.actor
        )
        let record = try store(context).create(hold.id.description, hold)
        let horizon: Timestamp?
        do {
            horizon = try protect(context, instance)
            // Only now is a look worth anything: who lets points go has seen the hold, or is done.
            if case .point(let id) = subject,
                try !PointStore.isVisible(context.vault, instance.systemIdentifier, id)
            {
                throw PgkeepError(
                    .notFound,
                    "there is no recovery point \(id) of \(instance.name)",
                    hint: "list them with pgkeep backup list \(instance.name)"
                )
            }
        } catch let error as PgkeepError where [.notFound, .refused].contains(error.code) {
            try store(context).remove(record)
            throw error
        }
        try log(context, "hold.add", hold)
        let isCut = horizon.map { hold.moments?.lowerBound ?? $0 < $0 } ?? false
        return Addition(hold: hold, keptFrom: isCut ? horizon : nil)
    }

    /// Makes a hold that is written count against whoever lets something go now: points by the
    /// gate, the whole instance by its record, which both sides change.
    private static func protect(
        _ context: JobContext,
        _ instance: InstanceRecord
    ) throws -> Timestamp? {
        try context.vault.instances(clock: context.clock).change(instance.name.description) {
            guard let since = $0.trash?.purgingSince else { return }
            throw PgkeepError(
                .refused,
                "\(instance.name) is being deleted for good since \(since)",
                hint: "nothing of it can be held any more"
            )
        }
        return try LettingGo(context, instance.systemIdentifier).protect()
    }

    /// Ends a hold, named by its id or its beginning. What has expired meanwhile goes with the next
    /// pruning.
    public static func release(_ context: JobContext, _ text: String) throws -> Hold {
        let found = try list(context).filter {
            $0.id.description.hasPrefix(text.lowercased())
        }
        guard let hold = found.first, !text.isEmpty else {
            throw PgkeepError(
                .notFound,
                "there is no hold \(text)",
                hint: "list them with pgkeep hold list"
            )
        }
        guard found.count == 1 else {
            throw PgkeepError(
                .usage,
                "\(found.count) holds begin with \(text)",
                hint: "give more digits of the one you mean"
            )
        }
        let instance = try Instances.all(context).first { $0.name == hold.instance }
        try Guards.check(context, instance, .releaseHold)
        if let record = try store(context).read(hold.id.description) {
            try store(context).remove(record)
        }
        try log(context, "hold.release", hold)
        return hold
    }

    /// Throws `.refused` when a hold lies on a point, or on moments that need it.
    public static func check(
        _ context: JobContext,
        _ instance: InstanceRecord,
        _ point: PointID
    ) throws {
        let holds = try list(context, instance.name)
        let hold = holds.first { hold in
            guard case .point(point) = hold.subject else { return false }
            return true
        }
        guard let hold = try hold ?? first(of: holds, needing: point, context, instance) else {
            return
        }
        throw PgkeepError(
            .refused,
            "\(point) is held: \(hold.title)",
            hint: "release it: pgkeep hold release \(hold.id)"
        )
    }

    /// The first hold on moments that are reached from a point.
    private static func first(
        of holds: [Hold],
        needing point: PointID,
        _ context: JobContext,
        _ instance: InstanceRecord
    ) throws -> Hold? {
        let spans = holds.filter { $0.moments != nil }
        guard !spans.isEmpty else { return nil }
        let survey = try ArchiveSurvey(context, instance)
        let points = try SoundPoints.marked(context, survey.points, count: 1)
        let window = RecoveryWindow(points: points, wal: survey.wal, timelines: survey.timelines)
        return spans.first {
            Retention.held(by: $0, points: points, intervals: window.intervals).contains(point)
        }
    }

    private static func log(_ context: JobContext, _ action: String, _ hold: Hold) throws {
        var details = ["hold": hold.id.description, "title": hold.title]
        switch hold.subject {
        case .point(let id): details["point"] = id.description
        case .moments(let from, let to): details["moments"] = "\(from) to \(to)"
        }
        try ActivityLog(context.vault, context.clock).append(
            action: action,
            instance: hold.instance,
            details: details
        )
    }
}
