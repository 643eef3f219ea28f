import Domain
import Vaulting

/// The least and the most retention the policies of a vault may have.
public struct RetentionLimits: Hashable, Sendable, Codable, CustomStringConvertible {
    /// Days at least.
    public var minDays: Int?
    /// Days at most.
    public var maxDays: Int?

    private static let id = "retention"

    enum CodingKeys: String, CodingKey {
        case minDays = "min_days"
        case maxDays = "max_days"
    }

    /// No limits unless told.
    public init(minDays: Int? = nil, maxDays: Int? = nil) {
        self.minDays = minDays
        self.maxDays = maxDays
    }

    /// `7 to 35 days`.
    public var description: String {
        switch (minDays, maxDays) {
        case (nil, nil): "any number of days"
        case (let days?, nil): "at least \(days) days"
        case (nil, let days?): "at most \(days) days"
        case (let low?, let high?): "\(low) to \(high) days"
        }
    }

    /// True when a policy may have this retention.
    public func allows(_ days: Int) -> Bool {
        days >= minDays ?? days && days <= maxDays ?? days
    }

    private static func store(_ context: JobContext) -> RecordStore<RetentionLimits> {
        RecordStore(context.vault, kind: "limit", clock: context.clock)
    }

    /// The limits of the vault.
    public static func read(_ context: JobContext) throws -> RetentionLimits {
        try store(context).read(id)?.value ?? RetentionLimits()
    }

    /// Sets them. Throws `.refused` when a policy there is lies outside.
    public func set(_ context: JobContext) throws {
        if let minDays, let maxDays, minDays > maxDays {
            throw PgkeepError(
                .usage,
                "no retention is at least \(minDays) and at most \(maxDays) days",
                hint: "give --min the smaller number"
            )
        }
        for found in try Policies.list(context) where !allows(found.policy.retentionDays) {
            throw PgkeepError(
                .refused,
                "the policy \(found.policy.name) has a retention of \(found.policy.retentionDays)"
                    + " days, which \(self) leaves out",
                hint: "change it first: pgkeep policy set \(found.policy.name) --retention D"
            )
        }
        if minDays ?? 0 < (try Self.read(context)).minDays ?? 0 {
            try Guards.check(context, nil, .shortenPolicy)
        }
        let store = Self.store(context)
        let old = try store.read(Self.id)
        if let old { try store.update(old, to: self) } else { try store.create(Self.id, self) }
        try ActivityLog(context.vault, context.clock).append(
            action: "policy.limits",
            instance: nil,
            details: [
                "old": (old?.value ?? RetentionLimits()).description, "new": description,
                "shorter": "\(minDays ?? 0 < old?.value?.minDays ?? 0)",
            ]
        )
    }
}
