import Domain
import Platform

/// The right to change the key slots, which one process at a time has.
///
/// A record names who changes them; each taking is a new revision, so of two that take it at once
/// one loses. That of a process seen to be gone, or silent for as long as a lease may be, is taken
/// over. A wrong guess can leave a slot behind that opens too little, never too much.
struct KeyChange {
    /// What the record says while somebody changes the slots.
    private struct Holder: Codable, Sendable {
        var operation: String
        var holder: ProcessIdentity
        var at: Timestamp
    }

    private let records: RecordStore<Holder>
    private let record: StoredRecord<Holder>

    private static let id = "slots"

    /// Runs `body`, which changes the slots. Throws `.busy` when another process is at it.
    static func run<Result>(
        _ vault: Vault,
        _ operation: String,
        _ holder: ProcessIdentity,
        clock: any Clock,
        _ body: (KeyChange) throws -> Result
    ) throws -> Result {
        let records = RecordStore<Holder>(vault, kind: "key-change", clock: clock)
        let own = Holder(operation: operation, holder: holder, at: clock.now)
        let change = KeyChange(records: records, record: try take(records, own))
        defer { try? records.remove(change.record) }
        return try body(change)
    }

    /// Throws `.busy` when somebody else has taken over.
    func verify() throws {
        guard try records.read(Self.id)?.revision == record.revision else { throw Self.taken(nil) }
    }

    private static func take(
        _ records: RecordStore<Holder>,
        _ own: Holder
    ) throws -> StoredRecord<Holder> {
        let last = try records.read(id)
        if let other = last?.value {
            let isGone =
                other.holder.hasEnded()
                ?? (own.at.seconds(since: other.at) > LeaseRecord.silenceSeconds)
            guard isGone else { throw taken(other) }
        }
        do {
            guard let last, last.value != nil else { return try records.create(id, own) }
            return try records.update(last, to: own)
        } catch let error as PgkeepError where [.busy, .exists].contains(error.code) {
            throw taken(nil)
        }
    }

    private static func taken(_ other: Holder?) -> PgkeepError {
        let who = other.map {
            " (\($0.operation), process \($0.holder.process) on \($0.holder.host))"
        }
        return PgkeepError(
            .busy,
            "the key slots are being changed by somebody else" + (who ?? ""),
            hint: "look at pgkeep vault key list, then run the command again"
        )
    }
}
