public import Domain
import Platform
public import Vaulting

/// The one place that decides whether an operator's step may cost a vault anything: locks of
/// instances, holds, and the immutability of the vault.
///
/// What a policy lets go at its time is no such step.
public enum Guards {
    /// What somebody is about to do.
    public enum Step: Hashable, Sendable {
        /// Delete a recovery point whose policy lets it go at that moment; nil: never.
        case deletePoint(expiresAt: Timestamp?)
        /// Let points expire earlier than promised, or keep fewer of them.
        case shortenPolicy
        /// Release a hold.
        case releaseHold
        /// Stop protection.
        case stop
        /// Put the instance into the trash.
        case deleteData
        /// Delete for good what is in the trash.
        case purge
        /// Take up protection again.
        case resume
        /// Change anything else.
        case change

        /// The words for messages.
        var noun: String {
            switch self {
            case .deletePoint: "deleting a recovery point"
            case .shortenPolicy: "shortening what a policy keeps"
            case .releaseHold: "releasing a hold"
            case .stop: "stopping protection"
            case .deleteData: "deleting an instance's data"
            case .purge: "deleting an instance for good"
            case .resume: "resuming protection"
            case .change: "changing an instance"
            }
        }

        /// The lowest lock that forbids it.
        var lock: InstanceRecord.LockLevel {
            switch self {
            case .deletePoint, .shortenPolicy, .releaseHold, .stop, .deleteData, .purge: .delete
            case .resume, .change: .readonly
            }
        }
    }

    /// Throws `.refused`, naming the guard and how it is lifted, when the step is not allowed.
    ///
    /// - Parameter instance: the instance concerned; nil for what concerns none, such as a policy
    ///   nobody uses.
    public static func check(
        _ context: JobContext,
        _ instance: InstanceRecord?,
        _ step: Step
    ) throws {
        if let instance {
            try checkLock(instance, step)
            try checkHolds(context, instance, step)
        }
        try checkImmutability(context, instance, step)
    }

    /// A single point that is held is the business of whoever deletes points.
    private static func checkHolds(
        _ context: JobContext,
        _ instance: InstanceRecord,
        _ step: Step
    ) throws {
        guard step == .deleteData || step == .purge,
            let hold = try Holds.list(context, instance.name).first
        else { return }
        throw PgkeepError(
            .refused,
            "points of \(instance.name) are held (\(hold.title)), which forbids \(step.noun)",
            hint: "release the hold first: pgkeep hold release \(hold.id)"
        )
    }

    private static func checkLock(_ instance: InstanceRecord, _ step: Step) throws {
        guard let lock = instance.lock, lock == .readonly || step.lock == .delete else { return }
        throw PgkeepError(
            .refused,
            "instance \(instance.name) is locked (\(lock.rawValue)), which forbids \(step.noun)",
            hint: "take the lock off first: pgkeep instance unlock \(instance.name)"
        )
    }

    private static func checkImmutability(
        _ context: JobContext,
        _ instance: InstanceRecord?,
        _ step: Step
    ) throws {
        let now = context.clock.now
        switch step {
        case .resume, .change, .stop: return
        case .deletePoint(let expiry?) where expiry <= now: return
        case .purge:
            guard let instance, try hasUnexpired(context, instance, now) else { return }
        case .deletePoint, .shortenPolicy, .releaseHold, .deleteData: break
        }
        let immutability = try Immutability.read(context)
        guard immutability.isOn else { return }
        let isFinal = immutability.state == .locked && (immutability.lockedFrom ?? now) <= now
        throw PgkeepError(
            .refused,
            "this vault is immutable, which forbids \(step.noun) before its time",
            hint: isFinal
                ? "it is locked for good; points go when their policy lets them"
                : "switch it off first: pgkeep vault immutability disable"
        )
    }

    private static func hasUnexpired(
        _ context: JobContext,
        _ instance: InstanceRecord,
        _ now: Timestamp
    ) throws -> Bool {
        let (points, damaged) = try Points.list(context, instance)
        return !damaged.isEmpty || points.contains { $0.expiresAt.map { $0 > now } ?? true }
    }
}
