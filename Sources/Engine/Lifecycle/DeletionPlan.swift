public import Domain
import Platform
import Sealing
public import Vaulting

/// What deleting an instance would take away, and the token that allows it once.
///
/// The token is good for an hour and for what the plan has counted: a point more or less, and a new
/// plan is needed.
public struct DeletionPlan: Sendable, Encodable {
    /// The instance.
    public var instance: InstanceName
    /// What it is now.
    public var state: InstanceRecord.State
    /// Its recovery points.
    public var points: Int
    /// When the oldest of them was made.
    public var oldest: Timestamp?
    /// When the newest of them was made.
    public var newest: Timestamp?
    /// Bytes the vault gets back in the end.
    public var bytes: UInt64
    /// Bytes of WAL among them.
    public var walBytes: UInt64
    /// Days it lies in the trash first.
    public var trashDays: Int
    /// What allows the deletion, once.
    public var token: String
    /// Until when it does.
    public var tokenExpiresAt: Timestamp

    enum CodingKeys: String, CodingKey {
        case instance, state, points, oldest, newest, bytes, token
        case walBytes = "wal_bytes"
        case trashDays = "trash_days"
        case tokenExpiresAt = "token_expires_at"
    }

    /// Writes every key, unknown values as null.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(instance, forKey: .instance)
        try container.encode(state, forKey: .state)
        try container.encode(points, forKey: .points)
        try container.encode(oldest, forKey: .oldest)
        try container.encode(newest, forKey: .newest)
        try container.encode(bytes, forKey: .bytes)
        try container.encode(walBytes, forKey: .walBytes)
        try container.encode(trashDays, forKey: .trashDays)
        try container.encode(token, forKey: .token)
        try container.encode(tokenExpiresAt, forKey: .tokenExpiresAt)
    }

    /// Seconds a token is good for.
    public static let tokenSeconds: Int64 = 3600

    /// Counts and writes the token down; an earlier plan's token is good for nothing then.
    ///
    /// Throws `.notFound`, `.refused` by a guard and for an instance in the trash.
    public static func make(_ context: JobContext, _ name: InstanceName) throws -> DeletionPlan {
        let record = try Instances.findAny(context, name)
        guard record.state != .deleted else { throw Lifecycle.isDeleted(record) }
        try Guards.check(context, record, .deleteData)
        let system = record.systemIdentifier
        let (points, _) = try Points.list(context, record)
        let usage = try VaultUsage(context.vault).instances[system]
        let token = DeletionToken(
            token: hexadecimal(SecureRandom.bytes(8)),
            systemIdentifier: system,
            points: try DeletionToken.points(context, record),
            expiresAt: context.clock.now.adding(seconds: tokenSeconds)
        )
        try token.store(context, name)
        return DeletionPlan(
            instance: name,
            state: record.state,
            points: token.points.count,
            oldest: points.map(\.finishedAt).min(),
            newest: points.map(\.finishedAt).max(),
            bytes: usage?.totalBytes ?? 0,
            walBytes: usage?.walBytes ?? 0,
            trashDays: DeleteInstance.trashDaysDefault,
            token: token.token,
            tokenExpiresAt: token.expiresAt
        )
    }
}
