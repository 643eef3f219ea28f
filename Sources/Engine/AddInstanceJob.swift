public import Domain
import Logging
import Platform
public import Postgres
public import Vaulting

/// Puts a server under protection: checks it, makes its replication slot, writes its record, asks
/// for its first backup.
///
/// A server that is protected already under the same name, reached by another address (the standby
/// of a pair, for instance), joins that instance: what it writes is the same cluster's.
public struct AddInstanceJob {
    /// What was added.
    public struct Outcome: Sendable {
        /// The record as stored.
        public var instance: InstanceRecord
        /// What does not block but should be known.
        public var findings: [Preflight.Finding]
        /// The job of the first backup; whoever is free runs it. Nil when none is wanted, or when
        /// it could not be put on record.
        public var initialJob: JobID?
        /// True when the address joined an instance there was.
        public var isJoined = false
    }

    /// What an operator may say of an instance besides its name and address.
    public struct Traits: Sendable {
        /// The name of its replication slot; made from the instance's name when nil.
        public var slot: String?
        /// The operator's own words about it.
        public var labels: [String: String] = [:]
        /// The policy it is protected by; `default` when nil.
        public var policy: PolicyName?
        /// Whether its server can be reached from outside.
        public var exposure: InstanceRecord.Exposure?

        /// Nothing said.
        public init() {}
    }

    private let context: JobContext
    private let name: InstanceName
    private let source: String
    private let traits: Traits

    /// An instance to be called `name`, reached by the libpq connection string or URI `source`.
    public init(
        context: JobContext,
        name: InstanceName,
        source: String,
        traits: Traits = Traits()
    ) {
        self.context = context
        self.name = name
        self.source = source
        self.traits = traits
    }

    /// Adds the instance. Durable on return.
    ///
    /// Throws what is wrong with the source, `.refused` for a password in it, `.exists` for a name
    /// or a cluster that is there already, `.notFound` for a policy.
    public func run() throws -> Outcome {
        let settings = try ConnectionSettings(source)
        guard !settings.hasPassword else {
            throw PgkeepError(
                .refused,
                "the connection string contains a password, which is never stored",
                hint: "leave it out and put it into ~/.pgpass, a service file or a certificate"
            )
        }
        context.meter.begin("connect")
        let store = context.vault.instances(clock: context.clock)
        if let known = try store.read(name.description)?.value {
            return try join(known, settings)
        }
        if let policy = traits.policy { _ = try Policies.find(context, policy) }
        let preflight = try SourceCheck.run(context, settings, nil)
        let profile = preflight.profile
        try refuseKnown(profile.identity.systemIdentifier)
        let slotName = traits.slot ?? Self.slotName(for: name)
        var record = try InstanceRecord(
            name: name,
            systemIdentifier: profile.identity.systemIdentifier,
            source: settings.withoutPassword,
            slot: slotName,
            serverVersion: profile.version,
            segmentSize: profile.segmentSize,
            createdAt: context.clock.now,
            labels: traits.labels
        )
        if let policy = traits.policy { record.policy = policy.description }
        if let exposure = traits.exposure { record.exposure = exposure }
        // The slot comes first: from now on no WAL is lost, whatever happens to us. A slot without
        // record is found and taken over by the next try; the reverse would be a silent gap.
        try ensureSlot(slotName, settings)
        try store.create(name.description, record)
        var outcome = Outcome(instance: record, findings: Self.told(preflight))
        outcome.initialJob = queue()
        note("instance.add", ["source": record.source, "policy": record.policy])
        return outcome
    }

    /// The first backup is asked for at once, so that it is taken even if this process ends here.
    private func queue() -> JobID? {
        do {
            return try Job.queue(
                context,
                kind: .backup,
                instance: name,
                trigger: RecoveryPoint.Trigger.initial.rawValue
            )
        } catch {
            context.log.warning("the first backup is not queued", metadata: ["why": "\(error)"])
            return nil
        }
    }

    private func note(_ action: String, _ details: [String: String]) {
        do {
            try ActivityLog(context.vault, context.clock).append(
                action: action,
                instance: name,
                details: details
            )
        } catch {
            // The instance is there; that nobody wrote down who added it is no reason to fail.
            context.log.warning("not in the activity log", metadata: ["why": "\(error)"])
        }
    }

    // MARK: - A second address

    private func join(_ known: InstanceRecord, _ settings: ConnectionSettings) throws -> Outcome {
        guard known.state != .deleted else { throw inTrash(known) }
        let address = settings.withoutPassword
        guard address != known.source, !known.endpoints.contains(address) else {
            throw taken("there is an instance \"\(name)\" already, with this address")
        }
        let preflight = try SourceCheck.run(context, settings, nil)
        guard preflight.profile.identity.systemIdentifier == known.systemIdentifier else {
            throw taken("there is an instance \"\(name)\" already, of another server")
        }
        guard traits.slot == nil, traits.labels.isEmpty, traits.policy == nil,
            traits.exposure == nil
        else {
            throw PgkeepError(
                .refused,
                "the server belongs to the instance \"\(name)\", which has its own settings",
                hint: "add the address alone: pgkeep instance add \(name) --source CONNINFO"
            )
        }
        let store = context.vault.instances(clock: context.clock)
        let changed = try store.change(name.description) { record in
            try Guards.check(context, record, .change)
            if !record.endpoints.contains(address) {
                try record.setEndpoints(record.endpoints + [address])
            }
        }
        note("instance.endpoint-add", ["endpoint": address])
        var outcome = Outcome(
            instance: changed.value ?? known,
            findings: Self.told(preflight),
            initialJob: nil
        )
        outcome.isJoined = true
        return outcome
    }

    private func inTrash(_ known: InstanceRecord) -> PgkeepError {
        PgkeepError(
            .exists,
            "the instance \"\(known.name)\" lies in the trash, with what there is of it",
            hint: "take it out: pgkeep instance undelete \(known.name)"
        )
    }

    private func taken(_ what: String) -> PgkeepError {
        PgkeepError(
            .exists,
            what,
            hint: "choose another name, or see pgkeep instance show \(name)"
        )
    }

    private static func told(_ preflight: Preflight) -> [Preflight.Finding] {
        preflight.findings.filter { $0.severity != .blocking }
    }

    // MARK: - The slot

    /// A slot's name made from an instance's: `pgkeep_` before it, and only what slots may contain.
    static func slotName(for name: InstanceName) -> String {
        let letters = name.description.map { $0 == "-" ? "_" : $0 }
        return String(("pgkeep_" + String(letters)).prefix(63))
    }

    private func refuseKnown(_ system: SystemIdentifier) throws {
        guard
            let known = try Instances.all(context).first(where: { $0.systemIdentifier == system })
        else { return }
        guard known.state != .deleted else {
            throw PgkeepError(
                .exists,
                "this server was protected as \"\(known.name)\", which lies in the trash",
                hint: "take it out and go on: pgkeep instance undelete \(known.name), then"
                    + " pgkeep instance resume \(known.name)"
            )
        }
        throw PgkeepError(
            .exists,
            "this server is protected already, as \"\(known.name)\"",
            hint: "use that name; several names for one server would share its WAL"
        )
    }

    private func ensureSlot(_ slot: String, _ settings: ConnectionSettings) throws {
        let connection = try Connection(
            settings,
            kind: .physicalReplication,
            applicationName: "pgkeep",
            cancellation: context.token
        )
        do throws(PgkeepError) {
            try ReplicationSlots.create(slot, isTemporary: false, on: connection)
        } catch  where error.code == .exists {
            let sql = try? Connection(
                settings,
                kind: .sql,
                applicationName: "pgkeep",
                cancellation: context.token
            )
            guard let found = try ReplicationSlots.read(slot, replication: connection, sql: sql),
                !found.isLost, found.activePID == nil
            else { throw error }
        }
    }
}
