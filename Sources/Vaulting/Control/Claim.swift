public import Domain
public import Platform
import Storage

/// An exclusive role on an instance, held by one session of any host.
///
/// Each change of hands creates the next generation, put-if-absent, so of any number of takers one
/// wins; the highest generation is the holder. It is removed only after a higher one exists, so a
/// taker that slept through several generations cannot become the highest again. Losing a role can
/// never harm data: what its holder writes goes only where nothing is. After every sign of life of
/// the lease the holder looks whether it still is the highest, and cancels its job when not.
public final class Claim: Sendable {
    /// The role.
    public let role: Role
    /// The generation held.
    public let generation: UInt64
    private let lease: Lease
    private let token: CancellationToken
    private let isOver = Condition(false)

    /// Rounds of a race after which the taker reports busy instead of trying on.
    private static let attemptsMax = 32

    private init(_ role: Role, _ generation: UInt64, _ lease: Lease, _ token: CancellationToken) {
        self.role = role
        self.generation = generation
        self.lease = lease
        self.token = token
    }

    /// Takes the role for the session of `lease`, from nobody or from a dead holder.
    ///
    /// Throws `.busy`, saying who holds it, when its holder lives. When the role is lost later,
    /// because this process looked dead to another, `token` is cancelled.
    ///
    /// - Parameter presumedDead: a session whose signs the caller has watched long enough to know
    ///   that there are none, whatever clocks and process tables say: a process that is suspended
    ///   exists, and does nothing.
    public static func acquire(
        _ role: Role,
        lease: Lease,
        token: CancellationToken,
        observer: ProcessIdentity = .current(),
        presumedDead: PointID? = nil
    ) throws -> Claim {
        let (vault, system) = (lease.vault, lease.systemIdentifier)
        for _ in 0..<attemptsMax {
            let highest = try highestGeneration(vault, system, role)
            if highest > 0 {
                guard let found = try read(vault, system, role, highest) else { continue }
                // Ours already: the acknowledgement of an earlier attempt was lost.
                if found.session == lease.session, !found.isReleased {
                    return begin(role, highest, lease, token)
                }
                if !found.isReleased, found.session != presumedDead,
                    try isAlive(found, lease, observer)
                {
                    throw busy(found, lease.clock.now)
                }
            }
            let mine = try put(role, highest + 1, lease, isReleased: false)
            guard mine else { continue }
            guard try highestGeneration(vault, system, role) == highest + 1 else {
                // Others went on while we slept between looking and putting.
                try vault.store.delete(ClaimRecord.name(system, role, highest + 1))
                continue
            }
            let claim = begin(role, highest + 1, lease, token)
            // Only tidying: what stays is removed with the next change of hands.
            try? claim.removeOlder()
            return claim
        }
        throw PgkeepError(
            .busy,
            "several sessions are trying to begin \(role.noun) on this instance at once",
            hint: "try again in a moment"
        )
    }

    /// Who holds a role now; nil when nobody does. A dead holder counts until it is replaced.
    public static func holder(
        _ vault: Vault,
        _ system: SystemIdentifier,
        _ role: Role
    ) throws -> ClaimRecord? {
        for _ in 0..<attemptsMax {
            let highest = try highestGeneration(vault, system, role)
            guard highest > 0 else { return nil }
            if let found = try read(vault, system, role, highest) {
                return found.isReleased ? nil : found
            }
        }
        return nil
    }

    /// Throws `.busy` and cancels the job when another session has taken the role over.
    public func verify() throws {
        let system = lease.systemIdentifier
        let highest = try Self.highestGeneration(lease.vault, system, role)
        guard highest != generation, isOver.read({ !$0 }) else { return }
        // Taken over is taken over, also by one whose words cannot be read with the keys held.
        let other = try? Self.read(lease.vault, system, role, highest)
        let who = other.map { " by process \($0.holder.process) on \($0.holder.host)" } ?? ""
        let error = PgkeepError(
            .busy,
            "\(role.noun) on this instance was taken over\(who), since this process gave no sign"
                + " of life for \(Int(role.silenceSeconds)) seconds",
            hint: "let the other one work; nothing acknowledged is lost"
        )
        token.cancel(error.message)
        throw error
    }

    /// Gives the role back. Call before the lease is ended. Further calls do nothing.
    public func release() throws {
        let wasOver = isOver.change { over -> Bool in
            defer { over = true }
            return over
        }
        guard !wasOver else { return }
        // The release is a generation of its own: the count never goes back.
        if try Self.put(role, generation + 1, lease, isReleased: true) {
            try lease.vault.store.delete(
                ClaimRecord.name(lease.systemIdentifier, role, generation)
            )
        }
    }

    // MARK: Generations

    private static func begin(
        _ role: Role,
        _ generation: UInt64,
        _ lease: Lease,
        _ token: CancellationToken
    ) -> Claim {
        let claim = Claim(role, generation, lease, token)
        lease.afterEachBeat { [weak claim] in
            // A store out of reach says nothing about the role; the next sign looks again.
            try? claim?.verify()
        }
        return claim
    }

    private static func highestGeneration(
        _ vault: Vault,
        _ system: SystemIdentifier,
        _ role: Role
    ) throws -> UInt64 {
        let prefix = ClaimRecord.prefix(system, role)
        guard let last = try vault.store.list(prefix: prefix).last else { return 0 }
        guard let generation = UInt64(last.name.text.dropFirst(prefix.utf8.count)), generation > 0
        else { throw PgkeepError.damaged(last.name, "it is not named like a claim") }
        return generation
    }

    private static func read(
        _ vault: Vault,
        _ system: SystemIdentifier,
        _ role: Role,
        _ generation: UInt64
    ) throws -> ClaimRecord? {
        let name = ClaimRecord.name(system, role, generation)
        guard let content = try vault.readInfo(name, kind: .claim, system: system) else {
            return nil
        }
        let record = try ControlJSON.decode(ClaimRecord.self, content, "the claim \(name)")
        guard record.role == role, record.generation == generation else {
            throw PgkeepError.damaged(name, "it is another claim")
        }
        return record
    }

    private static func put(
        _ role: Role,
        _ generation: UInt64,
        _ lease: Lease,
        isReleased: Bool
    ) throws -> Bool {
        let name = ClaimRecord.name(lease.systemIdentifier, role, generation)
        let record = ClaimRecord(
            role: role,
            generation: generation,
            session: lease.session,
            holder: lease.record.holder,
            since: lease.clock.now,
            isReleased: isReleased
        )
        let bytes = try Sealed.encode(
            lease.vault,
            name,
            kind: .claim,
            system: lease.systemIdentifier,
            frames: [(kind: .info, bytes: try ControlJSON.encode(record))]
        )
        return try lease.vault.store.putIfAbsent(name, bytes)
    }

    /// A claim lives as long as its lease: leases are put before claims and ended after them.
    private static func isAlive(
        _ record: ClaimRecord,
        _ own: Lease,
        _ observer: ProcessIdentity
    ) throws -> Bool {
        guard let lease = try Lease.read(own.vault, own.systemIdentifier, record.session) else {
            return false
        }
        if let ended = lease.holder.hasEnded(seenFrom: observer) { return !ended }
        // Both signs are told by the store's clock: what hosts' clocks show gives nobody a role.
        let silence = try own.storeTime().seconds(since: lease.putAt ?? lease.beatAt)
        return silence <= record.role.silenceSeconds
    }

    private func removeOlder() throws {
        let system = lease.systemIdentifier
        for found in try lease.vault.store.list(prefix: ClaimRecord.prefix(system, role))
        where found.name < ClaimRecord.name(system, role, generation) {
            try lease.vault.store.delete(found.name)
        }
    }

    private static func busy(_ record: ClaimRecord, _ now: Timestamp) -> PgkeepError {
        PgkeepError(
            .busy,
            "\(record.role.noun) on this instance is held by process \(record.holder.process) on"
                + " \(record.holder.host) since \(record.since)",
            hint: "wait for it or stop it; if that host is gone, try again"
                + " \(Int(record.role.silenceSeconds)) seconds after its last sign of life"
        )
    }
}
