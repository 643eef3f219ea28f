/// A stable name for one kind of alert: what scripts, rules and channels match on.
///
/// `AlertCatalogue` is the whole list. A name this program does not know, written by a newer one,
/// is carried along as it is.
public struct AlertKind: Hashable, Sendable, Comparable, Codable, LosslessStringConvertible {
    /// The stable name, for example `backup-failed`.
    public let name: String

    /// A kind by its name, known or not.
    public init(_ name: String) { self.name = name }

    /// The stable name.
    public var description: String { name }

    /// Orders by name.
    public static func < (left: AlertKind, right: AlertKind) -> Bool { left.name < right.name }

    /// Reads the name.
    public init(from decoder: any Decoder) throws { self = try decodeText(decoder, "an alert") }

    /// Writes the name.
    public func encode(to encoder: any Encoder) throws { try encodeText(self, encoder) }
}

extension AlertKind {
    /// An instance or recovery points were deleted.
    public static let dataDeletion = AlertKind("data-deletion")
    /// An instance's data is about to be deleted for good.
    public static let purgeSoon = AlertKind("purge-soon")
    /// An instance's data was deleted for good.
    public static let dataPurged = AlertKind("data-purged")
    /// A lock or immutability was changed.
    public static let guardChanged = AlertKind("guard-changed")
    /// What is kept is kept shorter.
    public static let retentionShortened = AlertKind("retention-shortened")
    /// Protection of an instance was stopped.
    public static let protectionStopped = AlertKind("protection-stopped")
    /// A key slot was added or removed, or the keys rotated.
    public static let keysChanged = AlertKind("keys-changed")
    /// A channel was added or removed, or notifications muted.
    public static let channelsChanged = AlertKind("channels-changed")

    /// The last backup failed.
    public static let backupFailed = AlertKind("backup-failed")
    /// No backup has been made for longer than the policy wants.
    public static let backupOverdue = AlertKind("backup-overdue")
    /// The vault lacks what the server has for longer than allowed.
    public static let rpoBreach = AlertKind("rpo-breach")
    /// WAL is missing behind the newest point.
    public static let walGap = AlertKind("wal-gap")
    /// The recovery window has a gap: WAL was lost for good.
    public static let windowGap = AlertKind("window-gap")
    /// The replication slot is gone or invalid.
    public static let slotLost = AlertKind("slot-lost")
    /// Nobody streams or fetches WAL.
    public static let streamDown = AlertKind("stream-down")
    /// A check found damage.
    public static let damageFound = AlertKind("damage-found")
    /// The vault cannot be reached, read or written.
    public static let vaultUnreachable = AlertKind("vault-unreachable")
    /// The key is not there or does not open the vault.
    public static let keyUnusable = AlertKind("key-unusable")
    /// A child of the agent ends again and again.
    public static let crashLoop = AlertKind("crash-loop")
    /// A restore drill failed.
    public static let drillFailed = AlertKind("drill-failed")
    /// A unit or cron line told of its failure.
    public static let unitFailed = AlertKind("unit-failed")

    /// The server keeps much WAL for the slot.
    public static let slotBloat = AlertKind("slot-bloat")
    /// The vault's storage fills up.
    public static let vaultSpaceLow = AlertKind("vault-space-low")
    /// Clocks differ, or one has jumped.
    public static let clockSkew = AlertKind("clock-skew")
    /// No restore drill was done for longer than the policy wants.
    public static let drillStale = AlertKind("drill-stale")
    /// An instance takes more of the vault than its quota.
    public static let quotaExceeded = AlertKind("quota-exceeded")
    /// The server is away.
    public static let sourceAway = AlertKind("source-away")
    /// Check or prune failed.
    public static let upkeepFailed = AlertKind("upkeep-failed")
    /// A channel does not take notifications.
    public static let deliveryFailed = AlertKind("delivery-failed")

    /// A run that was due was skipped.
    public static let backupSkipped = AlertKind("backup-skipped")
}
