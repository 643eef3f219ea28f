import Domain
import Logging
import Platform
import Postgres
import Vaulting

/// Takes an instance's replication slot from its server, which must not keep WAL for a protection
/// that has ended.
struct SlotRemoval {
    private let context: JobContext
    private let instance: InstanceRecord

    /// The stream looks at the instance's record with every sign of life.
    private static let streamSeconds = 3 * Lease.beatSeconds
    private static let stepSeconds = 0.25

    init(_ context: JobContext, _ instance: InstanceRecord) {
        self.context = context
        self.instance = instance
    }

    /// Waits for the stream to end, then drops the slot. What is in the way is a warning: the
    /// instance is stopped already, and the operator must know what is left on the server.
    func run() throws -> [String] {
        guard let slot = instance.slot else { return [] }
        context.meter.begin("slot")
        try waitForStream()
        return try instance.addresses.compactMap { try drop(slot, at: $0) }
    }

    /// What is in the way at one of its servers; nil when the slot is gone.
    private func drop(_ slot: String, at address: String) throws -> String? {
        do {
            let connection = try Connection(
                ConnectionSettings(address),
                kind: .physicalReplication,
                applicationName: "pgkeep",
                cancellation: context.token
            )
            let identity = try connection.identifySystem()
            guard identity.systemIdentifier == instance.systemIdentifier else {
                throw SourceCheck.foreign(identity.systemIdentifier, instance.name.description)
            }
            try ReplicationSlots.drop(slot, on: connection)
            return nil
        } catch let error as PgkeepError where error.code != .cancelled {
            let place = address == instance.source ? "" : " at \(address)"
            return "the replication slot \(slot) could not be dropped\(place) (\(error.message));"
                + " where the server still runs, it keeps WAL there until somebody does:"
                + " SELECT pg_drop_replication_slot('\(slot)');"
        }
    }

    private func waitForStream() throws {
        let end = SystemClock().monotonicSeconds + Self.streamSeconds
        while try isStreamed(), SystemClock().monotonicSeconds < end {
            if context.token.sleep(seconds: Self.stepSeconds) { try context.token.check() }
        }
    }

    private func isStreamed() throws -> Bool {
        let (vault, system) = (context.vault, instance.systemIdentifier)
        guard let holder = try Claim.holder(vault, system, .stream),
            let lease = try Lease.read(vault, system, holder.session)
        else { return false }
        return !lease.isDead(now: context.clock.now)
    }
}

extension Lease {
    /// Ends the job of this lease in good order when its instance's protection is stopped, on
    /// whatever host that was done.
    func endWhenStopped(_ context: JobContext, _ instance: InstanceRecord) {
        afterEachBeat { [context, name = instance.name] in
            // A store out of reach says nothing; the next sign looks again.
            let store = context.vault.instances(clock: context.clock)
            guard let record = try? store.read(name.description), record.value?.state != .active,
                !context.token.isCancelled
            else { return }
            context.log.notice("protection was stopped", metadata: ["instance": "\(name)"])
            context.token.cancel("the protection of \(name) was stopped")
        }
    }
}
