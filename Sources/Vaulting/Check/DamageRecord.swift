public import Domain
public import Platform

/// The packs of an instance that a check found damaged or missing: what the next backup stores
/// anew, reading the pages from the server instead of keeping their places.
///
/// One small control record for each instance, kind `damage`, its id the system identifier.
/// Whoever takes a pack off the list has read it whole, or seen that no point needs it any more.
public struct DamageRecord: Hashable, Sendable, Codable {
    /// One pack.
    public struct Pack: Hashable, Sendable, Codable {
        /// The session that wrote it.
        public var session: PointID
        /// Its number in that session.
        public var number: UInt32
        /// When the damage was first found, on the clock of who looked.
        public var foundAt: Timestamp

        enum CodingKeys: String, CodingKey {
            case session, number
            case foundAt = "found_at"
        }

        /// Which pack.
        public var id: PackID { PackID(session: session, number: number) }
    }

    /// The damaged packs, by session and number.
    public private(set) var packs: [Pack]

    /// The packs of an instance known to be damaged; empty when none is.
    public static func packs(
        _ vault: Vault,
        _ system: SystemIdentifier
    ) throws -> Set<PackID> { Set(try read(vault, system)?.packs.map(\.id) ?? []) }

    /// The record of an instance; nil when no damage was ever found. One that cannot be read says
    /// nothing, and is itself damage that a check tells of.
    public static func read(
        _ vault: Vault,
        _ system: SystemIdentifier
    ) throws -> DamageRecord? {
        do {
            return try records(vault).read(system.hex)?.value
        } catch let error as PgkeepError where error.isDamage {
            return nil
        }
    }

    /// Keeps what a check found out: `damaged` packs are added, `sound` and forgotten ones, which
    /// `isKnown` no longer knows, are taken off. Writes nothing when nothing changes.
    public static func keep(
        _ vault: Vault,
        _ system: SystemIdentifier,
        damaged: Set<PackID>,
        sound: Set<PackID>,
        clock: any Clock = SystemClock(),
        isKnown: (PackID) -> Bool
    ) throws {
        let records = records(vault, clock)
        var known: [PackID: Pack] = [:]
        func change(_ old: DamageRecord?) -> DamageRecord {
            known = Dictionary((old?.packs ?? []).map { ($0.id, $0) }) { first, _ in first }
            known = known.filter { !sound.contains($0.key) && isKnown($0.key) }
            for id in damaged where known[id] == nil {
                known[id] = Pack(session: id.session, number: id.number, foundAt: clock.now)
            }
            return DamageRecord(packs: known.values.sorted { $0.id < $1.id })
        }
        guard let record = try records.read(system.hex) else {
            let first = change(nil)
            if !first.packs.isEmpty { try records.create(system.hex, first) }
            return
        }
        let next = change(record.value)
        guard next != record.value else { return }
        try records.update(record, to: next)
    }

    private static func records(
        _ vault: Vault,
        _ clock: any Clock = SystemClock()
    ) -> RecordStore<DamageRecord> {
        RecordStore(vault, kind: "damage", clock: clock)
    }
}
