public import Domain
import Platform
import Vaulting

/// Whether the vault lets points go before their time: off, on, or on for good.
///
/// A guard of pgkeep's own commands on all hosts. It cannot keep those from deleting who can write
/// to the vault's storage by other means: take that access away as well.
public struct Immutability: Hashable, Sendable, Codable {
    /// How far it goes.
    public enum State: String, Hashable, Sendable, Codable {
        /// Guards and locks of the instances decide.
        case off
        /// No point goes before its time; can be switched off.
        case enabled
        /// As enabled, and nobody can switch it off any more, once the days of grace are over.
        case locked
    }

    /// How far it goes.
    public var state: State = .off
    /// Since when.
    public var since: Timestamp?
    /// Who set it: user and host.
    public var by: String?
    /// From when on a lock cannot be taken back.
    public var lockedFrom: Timestamp?

    /// Days in which a lock can still be taken back.
    public static let graceDays = 3

    enum CodingKeys: String, CodingKey {
        case state, since, by
        case lockedFrom = "locked_from"
    }

    /// Writes every key, unknown values as null.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(state, forKey: .state)
        try container.encode(since, forKey: .since)
        try container.encode(by, forKey: .by)
        try container.encode(lockedFrom, forKey: .lockedFrom)
    }

    /// True when points may not go before their time.
    public var isOn: Bool { state != .off }

    /// What holds for the vault. One that cannot be read throws: nothing is deleted then.
    public static func read(_ context: JobContext) throws -> Immutability {
        try records(context).read(id)?.value ?? Immutability()
    }

    /// Switches it; durable on return.
    ///
    /// Throws `.refused` for what a lock forbids, and for a lock of what is off.
    @discardableResult
    public static func set(_ context: JobContext, _ state: State) throws -> Immutability {
        let store = records(context)
        let old = try store.read(id)
        let known = old?.value ?? Immutability()
        guard known.state != state else { return known }
        try known.allow(state, now: context.clock.now)
        var next = Immutability()
        next.state = state
        next.since = context.clock.now
        next.by = ActivityLog.actor
        if state == .locked {
            next.lockedFrom = context.clock.now.adding(seconds: Int64(graceDays) * 86400)
        }
        if let old {
            try store.update(old, to: next)
        } else {
            try store.create(id, next)
        }
        // Whoever has looked before and not deleted yet looks again.
        if next.isOn { try LettingGo.protect(context, all: Instances.all(context)) }
        try ActivityLog(context.vault, context.clock).append(
            action: "vault.immutability",
            instance: nil,
            details: ["old": known.state.rawValue, "new": state.rawValue]
        )
        return next
    }

    private func allow(_ next: State, now: Timestamp) throws {
        switch (state, next) {
        case (.locked, _):
            guard let lockedFrom, now < lockedFrom else {
                throw PgkeepError(
                    .refused,
                    "the immutability of this vault is locked for good",
                    hint: "points go when their policy lets them, and in no other way"
                )
            }
        case (.off, .locked):
            throw PgkeepError(
                .refused,
                "immutability is off, so it cannot be locked",
                hint: "switch it on, and live with it for a while: pgkeep vault immutability enable"
            )
        default: break
        }
    }

    private static let id = "vault"

    private static func records(_ context: JobContext) -> RecordStore<Immutability> {
        RecordStore(context.vault, kind: "immutability", clock: context.clock)
    }
}
