public import Domain
import Platform
public import Postgres
public import Vaulting

/// Puts a server under protection: checks it, makes its replication slot, writes its record.
public struct AddInstanceJob {
    /// What was added.
    public struct Outcome: Sendable {
        /// The record as stored.
        public var instance: InstanceRecord
        /// What does not block but should be known.
        public var findings: [Preflight.Finding]
    }

    private let context: JobContext
    private let name: InstanceName
    private let source: String
    private let slot: String?
    private let labels: [String: String]

    /// An instance to be called `name`, reached by the libpq connection string or URI `source`.
    ///
    /// - Parameter slot: the name of its replication slot; made from the instance's name when nil.
    public init(
        context: JobContext,
        name: InstanceName,
        source: String,
        slot: String? = nil,
        labels: [String: String] = [:]
    ) {
        self.context = context
        self.name = name
        self.source = source
        self.slot = slot
        self.labels = labels
    }

    /// Adds the instance. Durable on return.
    ///
    /// Throws what is wrong with the source, `.refused` for a password in it, `.exists` for a name
    /// or a cluster that is there already.
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
        guard try store.read(name.description)?.value == nil else {
            throw PgkeepError(
                .exists,
                "there is an instance \"\(name)\" already",
                hint: "choose another name, or see pgkeep instance show \(name)"
            )
        }
        let preflight = try SourceCheck.run(context, settings, nil)
        let profile = preflight.profile
        try refuseKnown(profile.identity.systemIdentifier)
        let slotName = slot ?? Self.slotName(for: name)
        let record = try InstanceRecord(
            name: name,
            systemIdentifier: profile.identity.systemIdentifier,
            source: settings.withoutPassword,
            slot: slotName,
            serverVersion: profile.version,
            segmentSize: profile.segmentSize,
            createdAt: context.clock.now,
            labels: labels
        )
        // The slot comes first: from now on no WAL is lost, whatever happens to us. A slot without
        // record is found and taken over by the next try; the reverse would be a silent gap.
        try ensureSlot(slotName, settings)
        try store.create(name.description, record)
        return Outcome(
            instance: record,
            findings: preflight.findings.filter { $0.severity != .blocking }
        )
    }

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
