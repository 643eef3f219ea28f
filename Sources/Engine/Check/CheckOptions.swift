public import Domain
public import Vaulting

/// What a check looks at, and how closely.
public struct CheckOptions: Sendable {
    /// How closely to look.
    public var level: VaultCheck.Level
    /// Only what belongs to this instance; nil for the whole vault.
    public var instance: InstanceRecord?
    /// What was looked at since then is left out.
    public var since: Timestamp?
    /// Bytes after which nothing more is begun.
    public var budgetBytes: UInt64?
    /// Seconds after which nothing more is begun.
    public var budgetSeconds: Double?

    /// A check of everything at one level.
    public init(level: VaultCheck.Level, instance: InstanceRecord? = nil) {
        self.level = level
        self.instance = instance
    }
}
