public import Domain
public import Platform

/// What a drill restores, where, and what it asks of the copy.
public struct DrillOptions: Sendable {
    /// A file of SQL that must run without an error, and whose rows must not begin with false.
    public struct Check: Sendable {
        /// The file's path, for messages.
        public var name: String
        /// Its text.
        public var sql: String
        /// The database it runs in.
        public var database: String

        /// A check.
        public init(name: String, sql: String, database: String) {
            self.name = name
            self.sql = sql
            self.database = database
        }
    }

    /// The moment; not looked at when it is to be a random one.
    public var spec = RecoveryTargetSpec()
    /// Any moment of the window.
    public var isRandom = false
    /// The directory in which the drill makes one of its own.
    public var place: String
    /// What is asked of the copy.
    public var checks: [Check] = []
    /// Have `pg_amcheck` look at the copy where it is installed.
    public var looksAtPages = true
    /// How long the copy stays for others to look at it once it is judged, in seconds.
    public var keepSeconds: Double = 0
    /// Whom the copy belongs to; nil keeps the user who runs the drill.
    public var owner: UserAccount?
    /// Where PostgreSQL's programs are; nil looks for them.
    public var programs: String?
    /// Settings of the operator's own for the copy.
    public var overrides: [RecoverySettings.Setting] = []
    /// This program: an absolute path.
    public var program: String
    /// Threads that fetch and write.
    public var workers = 2
    /// Why the drill is made: `manual`, `scheduled`, `agent`.
    public var trigger: String

    /// A drill to the latest moment without checks of the operator's.
    public init(place: String, program: String, trigger: String) {
        self.place = place
        self.program = program
        self.trigger = trigger
    }
}
