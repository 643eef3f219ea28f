public import Domain
public import Platform

/// What is to be restored where, and how the copy is to start.
public struct RestoreOptions: Sendable {
    /// The new data directory: absolute, empty or not there yet.
    public var directory: String
    /// What to restore to.
    public var spec: RecoveryTargetSpec
    /// Where tablespaces go, by oid; those not named go beside the data directory.
    public var tablespaces: [UInt32: String]
    /// Keep the copy from archiving, replicating, running jobs and being reached from elsewhere.
    public var isHarmless: Bool
    /// Wait at the target instead of promoting.
    public var pauses: Bool
    /// The copy's port; the source's when nil.
    public var port: Int?
    /// Settings of the operator's own, which win over all others.
    public var overrides: [RecoverySettings.Setting]
    /// Whom the files are to belong to; nil keeps the user who runs the restore.
    public var owner: UserAccount?
    /// The pgkeep program the copy's restore_command names: an absolute path.
    public var program: String
    /// The vault as that command must name it.
    public var vaultLocation: String
    /// Threads that fetch and write.
    public var workers: Int

    /// A restore with harmless settings that promotes at its target.
    public init(
        directory: String,
        spec: RecoveryTargetSpec,
        program: String,
        vaultLocation: String
    ) {
        self.directory = directory
        self.spec = spec
        self.program = program
        self.vaultLocation = vaultLocation
        tablespaces = [:]
        isHarmless = true
        pauses = false
        overrides = []
        workers = 2
    }
}

/// What a restore made.
public struct RestoreResult: Sendable {
    /// The plan it followed.
    public var plan: RestorePlan
    /// The point it began with.
    public var point: RecoveryPoint
    /// The data directory.
    public var directory: String
    /// Where the tablespaces are.
    public var tablespaces: [UInt32: String]
    /// Files written.
    public var files: UInt64
    /// Bytes of them.
    public var bytes: UInt64
    /// How long it took.
    public var seconds: Double
    /// What the operator should know.
    public var warnings: [String]
}
