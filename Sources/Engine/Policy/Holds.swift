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

    /// Holds a point or all moments of a span. Durable on return.
    ///
    /// Throws `.notFound` when a point to be held is not there, also when it was let go at this
    /// very moment; then there is no hold.
    public static func add(
        _ context: JobContext,
        _ instance: InstanceRecord,
        _ subject: Hold.Subject,
        title: String
    ) throws -> Hold {
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
        // Only now is a look worth anything: whoever lets points go reads the holds before.
        if case .point(let id) = subject,
            try !PointStore.isVisible(context.vault, instance.systemIdentifier, id)
        {
            try store(context).remove(record)
            throw PgkeepError(
                .notFound,
                "there is no recovery point \(id) of \(instance.name)",
                hint: "list them with pgkeep backup list \(instance.name)"
            )
        }
        try log(context, "hold.add", hold)
        return hold
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

    /// Throws `.refused` when a hold lies on a point.
    public static func check(
        _ context: JobContext,
        _ instance: InstanceRecord,
        _ point: PointID
    ) throws {
        let holds = try list(context, instance.name).filter { hold in
            switch hold.subject {
            case .point(let id): id == point
            case .moments: false
            }
        }
        guard let hold = holds.first else { return }
        throw PgkeepError(
            .refused,
            "\(point) is held: \(hold.title)",
            hint: "release it: pgkeep hold release \(hold.id)"
        )
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
