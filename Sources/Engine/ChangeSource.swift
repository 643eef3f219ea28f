public import Domain
import Platform
import Postgres
public import Vaulting

/// Changes how an instance's servers are reached, which of them things are taken from, and when its
/// slot is given up.
public struct ChangeSource {
    /// What is to change; what is nil stays as it is.
    public struct Wishes: Sendable {
        /// Another first address, of the same cluster.
        public var source: String?
        /// Further addresses, of the same cluster.
        public var added: [String] = []
        /// Addresses that are no longer used.
        public var removed: [String] = []
        /// Where WAL is streamed from.
        public var walFrom: SourceOrder?
        /// Where backups are taken from.
        public var baseFrom: SourceOrder?
        /// Bytes of WAL at which the slot is given up; zero: never.
        public var giveUpSlotBytes: UInt64?

        /// Nothing to change.
        public init() {}

        /// True when nothing is to change.
        public var isEmpty: Bool {
            source == nil && added.isEmpty && removed.isEmpty && walFrom == nil && baseFrom == nil
                && giveUpSlotBytes == nil
        }
    }

    private let context: JobContext
    private let name: InstanceName
    private let wishes: Wishes

    /// A change of the instance called `name`.
    public init(context: JobContext, name: InstanceName, wishes: Wishes) {
        self.context = context
        self.name = name
        self.wishes = wishes
    }

    /// Makes the change. Durable on return; a running stream takes it up when it next connects.
    ///
    /// Throws `.refused` by a lock, for a password in an address and for taking away the last one,
    /// `.notFound` for an address that is not there, `.sourceForeign` for another server, and what
    /// keeps a new one from being reached.
    public func run() throws -> InstanceRecord {
        let known = try Instances.find(context, name)
        let source = try wishes.source.map { try checked($0, known) }
        let added = try wishes.added.map { try checked($0, known) }
        let store = context.vault.instances(clock: context.clock)
        let stored = try store.change(name.description) { record in
            try Guards.check(context, record, .change)
            var addresses = record.addresses
            if let source { addresses = [source] + addresses.dropFirst().filter { $0 != source } }
            addresses += added.filter { !addresses.contains($0) }
            for address in wishes.removed {
                guard addresses.contains(address) else { throw unknown(address, addresses) }
                addresses.removeAll { $0 == address }
            }
            guard let first = addresses.first else { throw last }
            try record.setSource(first)
            try record.setEndpoints(Array(addresses.dropFirst()))
            if let order = wishes.walFrom { record.walFrom = order }
            if let order = wishes.baseFrom { record.baseFrom = order }
            if let bytes = wishes.giveUpSlotBytes {
                record.giveUpSlotBytes = bytes == 0 ? nil : bytes
            }
        }
        guard let record = stored.value else { throw Lifecycle.vanished(name) }
        try ActivityLog(context.vault, context.clock).append(
            action: "instance.change-source",
            instance: name,
            details: ["old": Self.words(known), "new": Self.words(record)]
        )
        return record
    }

    /// An address as it is stored, once the server there has shown that it is this instance's.
    private func checked(_ address: String, _ known: InstanceRecord) throws -> String {
        try ConnectionSecrets.refuse(in: address)
        let settings = try ConnectionSettings(address)
        _ = try SourceCheck.run(context, settings, known.systemIdentifier)
        return settings.withoutPassword
    }

    private func unknown(_ address: String, _ known: [String]) -> PgkeepError {
        PgkeepError(
            .notFound,
            "\(name) has no address \"\(address)\"",
            hint: "there are: \(known.joined(separator: "; "))"
        )
    }

    private var last: PgkeepError {
        PgkeepError(
            .refused,
            "\(name) would have no address left",
            hint: "give another one with --source, or end its protection: pgkeep instance stop"
        )
    }

    private static func words(_ record: InstanceRecord) -> String {
        let limit = record.giveUpSlotBytes.map { "\($0) bytes" } ?? "never"
        return "addresses \(record.addresses.joined(separator: "; ")); WAL from \(record.walFrom);"
            + " backups from \(record.baseFrom); slot given up at \(limit)"
    }
}
