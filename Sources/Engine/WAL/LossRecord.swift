import Domain
import Platform
import Vaulting

/// WAL that was given up, as written into the vault: which range, and why.
struct LossRecord: Codable, Sendable {
    /// The cluster.
    var systemIdentifier: SystemIdentifier
    /// The timeline it was on.
    var timeline: TimelineID
    /// The first byte lost.
    var from: LSN
    /// The first byte held again.
    var to: LSN
    /// Why.
    var cause: WALHoldings.GapCause
    /// When it was noticed.
    var at: Timestamp

    enum CodingKeys: String, CodingKey {
        case timeline, from, to, cause, at
        case systemIdentifier = "system_identifier"
    }

    /// The losses of one cluster. One that cannot be read leaves a gap without a cause.
    static func list(_ vault: Vault, _ system: SystemIdentifier) throws -> [WALHoldings.Loss] {
        try RecordStore<LossRecord>(vault, kind: "wal-loss").listReadable()
            .compactMap(\.value)
            .filter { $0.systemIdentifier == system }
            .map {
                WALHoldings.Loss(timeline: $0.timeline, start: $0.from, end: $0.to, cause: $0.cause)
            }
    }

    /// When WAL was lost for good, and not on purpose, behind which no completed point begins; nil
    /// when there is none. What a slot may still keep does not count.
    static func unanchored(
        _ vault: Vault,
        _ system: SystemIdentifier,
        _ points: [RecoveryPoint]
    ) throws -> Timestamp? {
        let newest = points.filter { $0.state == .completed }.map(\.startLSN).max() ?? .zero
        return try RecordStore<LossRecord>(vault, kind: "wal-loss").listReadable()
            .compactMap(\.value)
            .filter {
                [.slotLost, .givenUp, .failover].contains($0.cause)
                    && $0.systemIdentifier == system && $0.to > newest
            }
            .map(\.at).min()
    }

    /// Writes the record; one that begins at the same byte is widened instead.
    func store(in vault: Vault, clock: any Clock) throws {
        let id = "\(systemIdentifier.hex)-\(from.rawValue)-\(timeline)"
        let store = RecordStore<LossRecord>(vault, kind: "wal-loss", clock: clock)
        guard try store.read(id)?.value != nil else {
            try store.create(id, self)
            return
        }
        try store.change(id) { known in
            known.to = max(known.to, to)
            if cause != .neverArchived { known.cause = cause }
            known.at = at
        }
    }

    /// Forgets losses before `position`, where no WAL is kept any more.
    static func removeBefore(
        _ position: LSN,
        _ system: SystemIdentifier,
        in vault: Vault,
        clock: any Clock
    ) throws {
        let store = RecordStore<LossRecord>(vault, kind: "wal-loss", clock: clock)
        for record in try store.listReadable() {
            guard let loss = record.value, loss.systemIdentifier == system, loss.to <= position
            else { continue }
            try store.remove(record)
        }
    }

    /// Forgets losses that were made good: all their segments are archived by now.
    static func removeFilled(_ archive: WALArchive, in vault: Vault, clock: any Clock) throws {
        let store = RecordStore<LossRecord>(vault, kind: "wal-loss", clock: clock)
        for record in try store.list() {
            guard let loss = record.value, loss.systemIdentifier == archive.systemIdentifier else {
                continue
            }
            var segment = WALSegment(
                timeline: loss.timeline,
                containing: loss.from,
                size: archive.segmentSize
            )
            while segment.start < loss.to, archive.isSealed(segment) { segment = segment.next }
            if segment.start >= loss.to { try store.remove(record) }
        }
    }
}
