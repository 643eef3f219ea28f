public import Domain
public import Vaulting

/// The instances of a vault, and their recovery points, as commands name them.
public enum Instances {
    /// All instances but those in the trash, by name.
    public static func list(_ context: JobContext) throws -> [InstanceRecord] {
        try all(context).filter { $0.state != .deleted }
    }

    /// All instances, by name.
    public static func all(_ context: JobContext) throws -> [InstanceRecord] {
        try context.vault.instances(clock: context.clock).list().compactMap(\.value)
    }

    /// As `all`; a record that cannot be read is told apart instead, so that it keeps nobody from
    /// caring for the other instances.
    static func readable(
        _ context: JobContext
    ) throws -> (records: [InstanceRecord], damaged: [(name: InstanceName, error: PgkeepError)]) {
        var damaged: [(name: InstanceName, error: PgkeepError)] = []
        let records = try context.vault.instances(clock: context.clock).listReadable(
            unreadable: { id, error in
                if let name = InstanceName(id) { damaged.append((name, error)) }
            }
        )
        return (records.compactMap(\.value), damaged)
    }

    /// The instances named, or all that can be read but those in the trash.
    ///
    /// Throws `.notFound` and `.integrity` for a name.
    static func wanted(
        _ context: JobContext,
        _ names: [InstanceName]
    ) throws -> (records: [InstanceRecord], damaged: [(name: InstanceName, error: PgkeepError)]) {
        guard names.isEmpty else { return (try names.map { try find(context, $0) }, []) }
        let (records, damaged) = try readable(context)
        return (records.filter { $0.state != .deleted }, damaged)
    }

    /// The instance called `name`.
    ///
    /// Throws `.notFound`, naming those there are, also for one in the trash.
    public static func find(_ context: JobContext, _ name: InstanceName) throws -> InstanceRecord {
        let found = try findAny(context, name)
        guard found.state == .deleted else { return found }
        let until = found.trash.map { ", which is possible until \($0.purgeAt)" } ?? ""
        throw PgkeepError(
            .notFound,
            "instance \"\(name)\" is deleted; it lies in the trash",
            hint: "take it out first\(until): pgkeep instance undelete \(name)"
        )
    }

    /// The instance called `name`, also when it lies in the trash.
    ///
    /// Throws `.notFound`, naming those there are.
    public static func findAny(
        _ context: JobContext,
        _ name: InstanceName
    ) throws -> InstanceRecord {
        let store = context.vault.instances(clock: context.clock)
        if let found = try store.read(name.description)?.value { return found }
        let known = try list(context).map(\.name.description)
        throw PgkeepError(
            .notFound,
            "there is no instance \"\(name)\" in this vault",
            hint: known.isEmpty
                ? "add it: pgkeep instance add \(name) --source CONNINFO"
                : "there are: \(known.joined(separator: ", "))"
        )
    }

    /// Throws `.refused` when an instance's protection is stopped, as its record says now.
    static func requireActive(_ context: JobContext, _ instance: InstanceRecord) throws {
        let store = context.vault.instances(clock: context.clock)
        let now = try store.read(instance.name.description)?.value ?? instance
        guard now.state != .active else { return }
        throw PgkeepError(
            .refused,
            "the protection of \(now.name) is stopped (\(now.state.rawValue))",
            hint: now.state == .deleted
                ? "take it out of the trash first: pgkeep instance undelete \(now.name)"
                : "take it up again first: pgkeep instance resume \(now.name)"
        )
    }
}

/// The recovery points of an instance.
public enum Points {
    /// The visible points, oldest first. A point whose root is damaged is reported, not left out.
    public static func list(
        _ context: JobContext,
        _ instance: InstanceRecord
    ) throws -> (points: [RecoveryPoint], damaged: [(id: PointID, error: PgkeepError)]) {
        var points: [RecoveryPoint] = []
        var damaged: [(id: PointID, error: PgkeepError)] = []
        for listed in try PointStore.list(context.vault, instance.systemIdentifier) {
            switch listed.point {
            case .success(let point): points.append(point)
            case .failure(let error): damaged.append((listed.id, error))
            }
        }
        return (points, damaged)
    }

    /// The one point whose id begins with `text`, or whose name it is, of any instance
    /// or of the one given.
    ///
    /// Throws `.notFound` when there is none, `.usage` when there are several.
    public static func find(
        _ context: JobContext,
        _ text: String,
        of instance: InstanceRecord? = nil
    ) throws -> RecoveryPoint {
        var found: [RecoveryPoint] = []
        for instance in try instance.map({ [$0] }) ?? Instances.list(context) {
            found += try list(context, instance).points.filter {
                $0.id.description.hasPrefix(text.lowercased()) || $0.name == text
            }
        }
        guard let point = found.first, !text.isEmpty else {
            throw PgkeepError(
                .notFound,
                "there is no recovery point \(text)",
                hint: "list them with pgkeep backup list NAME"
            )
        }
        guard found.count == 1 else {
            throw PgkeepError(
                .usage,
                "\(found.count) recovery points begin with \(text)",
                hint: "give more digits of the one you mean"
            )
        }
        return point
    }
}
