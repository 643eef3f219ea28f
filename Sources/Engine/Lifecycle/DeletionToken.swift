import Domain
import Platform
import Vaulting

/// The record behind a plan's token, kind `delete-plan`, one for each instance.
struct DeletionToken: Codable, Sendable {
    /// What the operator gives back.
    var token: String
    /// The cluster the plan was for: a name may be given anew.
    var systemIdentifier: SystemIdentifier
    /// The points the plan has counted.
    var points: [PointID]
    /// When it ends.
    var expiresAt: Timestamp

    enum CodingKeys: String, CodingKey {
        case token, points
        case systemIdentifier = "system_identifier"
        case expiresAt = "expires_at"
    }

    /// All points there are, damaged ones too.
    static func points(_ context: JobContext, _ record: InstanceRecord) throws -> [PointID] {
        let (points, damaged) = try Points.list(context, record)
        return (points.map(\.id) + damaged.map(\.id)).sorted()
    }

    func store(_ context: JobContext, _ name: InstanceName) throws {
        let store = Self.records(context)
        if let old = try store.read(name.description) {
            try store.update(old, to: self)
        } else {
            try store.create(name.description, self)
        }
    }

    /// The record of the token given, which is still good.
    ///
    /// Throws `.refused` when it is none, was used, has ended, or when the plan is out of date.
    static func check(
        _ context: JobContext,
        _ record: InstanceRecord,
        _ text: String
    ) throws -> StoredRecord<DeletionToken> {
        guard let stored = try records(context).read(record.name.description),
            let known = stored.value, known.token == text.lowercased(),
            known.systemIdentifier == record.systemIdentifier
        else { throw refusal(record, "this token is not that of the last plan, or it was used") }
        guard context.clock.now < known.expiresAt else {
            throw refusal(record, "this token's hour is over")
        }
        guard try known.points == points(context, record) else {
            throw refusal(record, "\(record.name) has other recovery points now than the plan says")
        }
        return stored
    }

    /// Uses it up. Of any number of users one wins; the others get `.busy`.
    static func use(_ context: JobContext, _ stored: StoredRecord<DeletionToken>) throws {
        try records(context).remove(stored)
    }

    private static func refusal(_ record: InstanceRecord, _ message: String) -> PgkeepError {
        PgkeepError(
            .refused,
            message,
            hint: "look at a new plan: pgkeep instance delete \(record.name) --plan"
        )
    }

    private static func records(_ context: JobContext) -> RecordStore<DeletionToken> {
        RecordStore(context.vault, kind: "delete-plan", clock: context.clock)
    }
}
