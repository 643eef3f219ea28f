public import Domain
public import Logging
public import Platform
import Storage
public import Vaulting

/// The instances an agent takes care of: it claims those nobody does, gives signs of life for its
/// own, and finds out which it has lost.
///
/// All of it is read from the vault anew in each round; nothing here must survive the process. Used
/// by one thread.
public final class InstanceCare {
    /// What one round found.
    public struct Round: Sendable {
        /// The instances that are to be protected, by name, and who takes care of each.
        public var instances: [AgentReport.Instance] = []
        /// True when this agent does the work that concerns the whole vault.
        public var isLeading = false
        /// True when an instance or a policy has changed since the last round, or WAL was lost:
        /// what is due may be another thing now.
        public var isChanged = false
        /// Names this agent was given and nobody has added.
        public var unknown: [InstanceName] = []
        /// When daily work was last begun that came to a good end; read when the lead is taken.
        public var served: [JobKind: Timestamp] = [:]

        /// The names of those this agent takes care of.
        public var owned: [InstanceName] { instances.filter(\.isOwned).map(\.name) }
    }

    private struct Held {
        var lease: Lease
        var claim: Claim
        var token: CancellationToken
    }

    /// Seconds between two rounds.
    public static let roundSeconds = 5.0

    private var vault: Vault
    private let open: () throws -> Vault
    /// The instances to care for; none for all.
    public var names: Set<InstanceName>
    private let clock: any Clock
    private let log: Logger
    private var records: [InstanceRecord] = []
    private var fingerprint: [ObjectName]?
    private var held: [InstanceName: Held] = [:]
    private var watch = SilenceWatch(seconds: Role.agent.silenceSeconds)
    private var watched: Set<PointID> = []
    private var isLeading = false

    /// Care for the instances of `vault` with these names (none: for all).
    ///
    /// - Parameter open: opens the vault anew, when its keys have changed.
    public init(
        vault: Vault,
        open: @escaping () throws -> Vault,
        names: Set<InstanceName>,
        clock: any Clock = SystemClock(),
        log: Logger
    ) {
        self.vault = vault
        self.open = open
        self.names = names
        self.clock = clock
        self.log = log
    }

    /// Looks at the vault once: what there is to care for, who does, and that it knows of us.
    ///
    /// Throws when the vault cannot be read; what is held stays held then, and the next round goes
    /// on where this one was.
    public func round() throws -> Round {
        do {
            return try lookAround()
        } catch let error as PgkeepError where error.code == .integrity {
            // After a rotation of keys what others write is sealed under one we do not hold.
            vault = try open()
            fingerprint = nil
            return try lookAround()
        }
    }

    private func lookAround() throws -> Round {
        // An empty mount point looks like a vault without instances.
        guard try Vault.identity(of: vault.store) == vault.id else {
            throw PgkeepError(
                .storeUnreachable,
                "another vault is in \(vault.store.location)",
                hint: "mount the one this agent was started for, or start it anew"
            )
        }
        var round = Round()
        round.isChanged = try readRecords()
        let active = records.filter { $0.state == .active && isNamed($0.name) }
        for name in held.keys where !active.contains(where: { $0.name == name }) {
            try? release(name)
        }
        watched = []
        var leader: String?
        for record in records where record.state == .active {
            let owner = try owner(of: record, isOurs: isNamed(record.name))
            leader = leader ?? owner.map { $0.isOurs ? "" : $0.name }
            guard isNamed(record.name) else { continue }
            round.instances.append(
                AgentReport.Instance(
                    name: record.name,
                    isOwned: owner?.isOurs ?? false,
                    owner: owner?.name
                )
            )
        }
        watch.keep(watched)
        // Where nothing is protected, or a full vault takes no claims, space must be made as well.
        round.isLeading = leader == nil || leader == ""
        round.unknown = names.filter { name in !records.contains { $0.name == name } }
        if round.isLeading, !isLeading { round.served = try lastServed() }
        isLeading = round.isLeading
        return round
    }

    /// Gives everything back, so that others can take over at once. What the vault does not take
    /// in now is seen by them soon enough.
    public func releaseAll() {
        for name in held.keys {
            do {
                try release(name)
            } catch {
                log.warning("the claim is left behind", metadata: ["reason": "\(error)"])
            }
        }
    }

    private func isNamed(_ name: InstanceName) -> Bool { names.isEmpty || names.contains(name) }

    // MARK: - Records

    /// Reads the instances when one, a policy, or what is known of lost WAL was changed by anybody;
    /// the names of the records tell, since every change has a new one.
    private func readRecords() throws -> Bool {
        let now = try ["instance", "policy", "wal-loss"].flatMap { kind in
            try vault.store.list(prefix: "r/\(kind)/").map(\.name)
        }
        guard now != fingerprint else { return false }
        // One record that is damaged must not end the care for all the others; it is told by an
        // alert, and its instance is cared for as before while this agent lives.
        let known = records
        var kept: [InstanceRecord] = []
        let read = try vault.instances(clock: clock).listReadable(unreadable: { id, error in
            log.error("the record of an instance is damaged", metadata: ["reason": "\(error)"])
            kept += known.filter { $0.name.description == id }
        })
        records = (read.compactMap(\.value) + kept)
            .sorted { $0.name.description < $1.name.description }
        fingerprint = now
        return true
    }

    /// Looks back a little further than a day, the rhythm of such work.
    private static let lookBackSeconds: Int64 = 2 * 86400

    private func lastServed() throws -> [JobKind: Timestamp] {
        let since = clock.now.adding(seconds: -Self.lookBackSeconds)
        var found: [JobKind: Timestamp] = [:]
        for job in try JobStore(vault).list(since: since)
        where job.state.isSuccess && job.instance == nil {
            guard let begun = job.startedAt else { continue }
            found[job.kind] = max(begun, found[job.kind] ?? begun)
        }
        return found
    }

    // MARK: - Claims

    /// Who takes care of an instance after we have done what we can to be the one.
    private func owner(
        of record: InstanceRecord,
        isOurs isWanted: Bool
    ) throws -> (name: String, isOurs: Bool)? {
        if let own = held[record.name] {
            do {
                try own.lease.beat()
            } catch let error as PgkeepError where error.code == .storeFull {
                // Kept while nobody else takes it, who could not write either.
            }
            if !own.token.isCancelled { return (Self.words(own.lease.record.holder), true) }
            log.warning(
                "another agent has taken over",
                metadata: ["instance": "\(record.name)"]
            )
            held[record.name] = nil
            try? own.claim.release()
            try? own.lease.end()
        }
        let system = record.systemIdentifier
        let holder = try Claim.holder(vault, system, .agent)
        var dead: PointID?
        if let holder, let lease = try Lease.read(vault, system, holder.session) {
            watched.insert(holder.session)
            let isSilent = watch.isSilent(
                holder.session,
                beats: lease.beats,
                at: clock.monotonicSeconds
            )
            guard isSilent || lease.holder.hasEnded() == true else {
                return (Self.words(holder.holder), false)
            }
            dead = holder.session
        }
        guard isWanted else { return nil }
        do {
            return try take(record, presumedDead: dead, from: holder)
        } catch let error as PgkeepError where error.code == .storeFull {
            return nil
        }
    }

    private func take(
        _ record: InstanceRecord,
        presumedDead: PointID?,
        from former: ClaimRecord?
    ) throws -> (name: String, isOurs: Bool)? {
        let lease = try Lease.begin(
            vault,
            record.systemIdentifier,
            kind: .agent,
            clock: clock,
            beatSeconds: nil
        )
        let token = CancellationToken()
        do {
            let claim = try Claim.acquire(
                .agent,
                lease: lease,
                token: token,
                presumedDead: presumedDead
            )
            held[record.name] = Held(lease: lease, claim: claim, token: token)
        } catch {
            try? lease.end()
            // Another agent was faster.
            if let error = error as? PgkeepError, error.code == .busy { return nil }
            throw error
        }
        var details: Logger.Metadata = ["instance": "\(record.name)"]
        if let former { details["from"] = "\(Self.words(former.holder))" }
        log.notice("takes care of an instance", metadata: details)
        return (Self.words(lease.record.holder), true)
    }

    private func release(_ name: InstanceName) throws {
        guard let own = held.removeValue(forKey: name) else { return }
        defer { try? own.lease.end() }
        try own.claim.release()
    }

    private static func words(_ process: ProcessIdentity) -> String {
        "\(process.host)/\(process.process)"
    }
}
