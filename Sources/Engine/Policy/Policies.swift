public import Domain
import Platform
import Sealing
public import Vaulting

/// The policies of a vault, as commands name them.
///
/// The policy `default` is there from the beginning; changing it makes a record that takes its
/// place.
public enum Policies {
    /// A policy, and the revision of its record; 0 when it is the built-in one.
    public struct Found: Sendable, Encodable {
        /// The policy.
        public var policy: Policy
        /// Its revision.
        public var revision: UInt64

        private enum CodingKeys: String, CodingKey { case revision }

        /// design.md's form: the policy itself, with its revision among its keys.
        public func encode(to encoder: any Encoder) throws {
            try policy.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(revision, forKey: .revision)
        }
    }

    static func store(_ context: JobContext) -> RecordStore<Policy> {
        RecordStore(context.vault, kind: "policy", clock: context.clock)
    }

    /// All policies by name, the built-in one among them.
    public static func list(_ context: JobContext) throws -> [Found] {
        var found = try store(context).list().compactMap { record in
            record.value.map { Found(policy: $0, revision: record.revision) }
        }
        if !found.contains(where: { $0.policy.name == .standard }) {
            found.append(Found(policy: .standard, revision: 0))
        }
        return found.sorted { $0.policy.name < $1.policy.name }
    }

    /// A policy with its revision. Throws `.notFound`, naming those there are.
    public static func found(_ context: JobContext, _ name: PolicyName) throws -> Found {
        let record = try store(context).read(name.description)
        if let record, let policy = record.value {
            return Found(policy: policy, revision: record.revision)
        }
        if name == .standard { return Found(policy: .standard, revision: record?.revision ?? 0) }
        let known = try list(context).map(\.policy.name.description)
        throw PgkeepError(
            .notFound,
            "there is no policy \"\(name)\" in this vault",
            hint: "there are: \(known.joined(separator: ", "))"
        )
    }

    /// The policy called `name`; `default` always is.
    public static func find(_ context: JobContext, _ name: PolicyName) throws -> Policy {
        try found(context, name).policy
    }

    /// The policy of an instance.
    public static func of(_ context: JobContext, _ instance: InstanceRecord) throws -> Policy {
        try foundOf(context, instance).policy
    }

    static func foundOf(_ context: JobContext, _ instance: InstanceRecord) throws -> Found {
        try found(context, PolicyName(checking: instance.policy))
    }

    /// The instances a policy is the policy of.
    public static func members(_ context: JobContext, _ name: PolicyName) throws
        -> [InstanceRecord]
    {
        try Instances.list(context).filter { $0.policy == name.description }
    }

    /// What clocks show in a policy's time zone.
    public static func zone(_ policy: Policy) throws(PgkeepError) -> any ZoneRules {
        try TimeZoneFile.rules(policy.timeZone)
    }

    /// Makes a policy. Throws `.usage` for what it may not say, `.exists`.
    public static func create(_ context: JobContext, _ policy: Policy) throws -> Found {
        try check(context, policy)
        guard policy.name != .standard else {
            throw PgkeepError(
                .exists,
                "the policy default is there from the beginning",
                hint: "change it: pgkeep policy set default"
            )
        }
        let record = try store(context).create(policy.name.description, policy)
        try log(context, "policy.create", old: nil, new: policy)
        return Found(policy: policy, revision: record.revision)
    }

    /// Removes a policy no instance has. Points keep what it was for them. Throws `.refused`.
    public static func delete(_ context: JobContext, _ name: PolicyName) throws -> Found {
        let old = try found(context, name)
        let members = try members(context, name).map(\.name.description)
        guard members.isEmpty else {
            throw PgkeepError(
                .refused,
                "the policy \(name) is that of \(members.joined(separator: ", "))",
                hint: "give them another: pgkeep instance change-policy \(members[0]) --policy P"
            )
        }
        guard let record = try store(context).read(name.description), record.value != nil else {
            throw PgkeepError(
                .refused,
                "the built-in policy default cannot be deleted",
                hint: "change it: pgkeep policy set default"
            )
        }
        try store(context).remove(record)
        try log(context, "policy.delete", old: old.policy, new: nil)
        return old
    }

    /// Throws `.usage` for what a policy may not say, `.refused` for what the vault's limits
    /// forbid.
    static func check(_ context: JobContext, _ policy: Policy) throws {
        try policy.validate()
        _ = try zone(policy)
        let limits = try RetentionLimits.read(context)
        guard limits.allows(policy.retentionDays) else {
            throw PgkeepError(
                .refused,
                "this vault allows a retention of \(limits), not of \(policy.retentionDays) days",
                hint: "see pgkeep policy limits"
            )
        }
    }

    static func log(_ context: JobContext, _ action: String, old: Policy?, new: Policy?) throws {
        var details: [String: String] = [:]
        if let policy = new ?? old { details["policy"] = policy.name.description }
        if let old { details["old"] = old.text }
        if let new { details["new"] = new.text }
        if let old, let new, new.isShorter(than: old) { details["shorter"] = "true" }
        try ActivityLog(context.vault, context.clock).append(
            action: action,
            instance: nil,
            details: details
        )
    }
}

extension Policy {
    /// All it says in one line, always in the same form: for the activity log, and for tokens.
    public var text: String {
        var parts = [
            "retention \(retentionDays) d", "schedule \(schedule?.description ?? "automatic")",
            "zone \(timeZone)",
        ]
        if let allowedHours { parts.append("hours \(allowedHours)") }
        for rule in RetentionRule.allCases where keep.count(rule) > 0 {
            parts.append("keep \(keep.count(rule)) \(rule.rawValue)")
        }
        parts.append("at least \(minRedundancy)")
        parts.append("on demand \(onDemandMax)")
        if let drillDays { parts.append("drill every \(drillDays) d") }
        if let rpoSeconds { parts.append("RPO \(rpoSeconds) s") }
        if isExtended { parts.append("extended") }
        return parts.joined(separator: ", ")
    }
}
