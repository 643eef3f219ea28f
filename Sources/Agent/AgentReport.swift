public import Domain

/// What an agent tells of itself: what it keeps running, and for which instances.
///
/// Made by whoever supervises, read by the HTTP interface; a value, so that no reader waits.
public struct AgentReport: Sendable, Codable {
    /// A child process, or the work it is started for again and again.
    public struct Child: Sendable, Codable {
        /// Whether it runs, and if not, why.
        public enum State: String, Sendable, Codable {
            /// It runs.
            case running
            /// It ended and is started again after a pause.
            case backingOff = "backing-off"
            /// It ended so often in a short time that only slow tries are made.
            case crashLoop = "crash-loop"
            /// It waits for its next time.
            case waiting
        }

        /// The words of the command behind `pgkeep`: `wal stream main`, `vault prune`.
        public var command: [String]
        /// The instance it serves; nil for work on the whole vault.
        public var instance: InstanceName?
        /// Whether it runs.
        public var state: State
        /// Its process while it runs.
        public var pid: Int32?
        /// How often it was started.
        public var starts: Int
        /// How often it ended with a failure.
        public var failures: Int
        /// When it was last started.
        public var startedAt: Timestamp?
        /// When it is started again.
        public var nextAt: Timestamp?
        /// Its resident memory in bytes when last looked at.
        public var memoryBytes: UInt64?
        /// Its last failure in words.
        public var lastFailure: String?

        /// A child of which nothing but its command is known.
        public init(command: [String], instance: InstanceName? = nil, state: State = .waiting) {
            self.command = command
            self.instance = instance
            self.state = state
            starts = 0
            failures = 0
        }

        private enum CodingKeys: String, CodingKey {
            case command, instance, state, pid, starts, failures
            case startedAt = "started_at"
            case nextAt = "next_at"
            case memoryBytes = "memory_bytes"
            case lastFailure = "last_failure"
        }
    }

    /// An instance of the vault as this agent sees it.
    public struct Instance: Sendable, Codable {
        /// Its name.
        public var name: InstanceName
        /// True when this agent takes care of it.
        public var isOwned: Bool
        /// Who does, as `host/pid`; nil when nobody does.
        public var owner: String?

        /// An instance and who takes care of it.
        public init(name: InstanceName, isOwned: Bool, owner: String?) {
            self.name = name
            self.isOwned = isOwned
            self.owner = owner
        }

        private enum CodingKeys: String, CodingKey {
            case name, owner
            case isOwned = "owned"
        }
    }

    /// The program's version.
    public var version: String
    /// The host's name.
    public var host: String
    /// The agent's own process.
    public var pid: Int32
    /// When the agent began.
    public var startedAt: Timestamp
    /// When it last read the vault's records with success; nil when it never did.
    public var vaultReadAt: Timestamp?
    /// True from SIGTERM on.
    public var isStopping: Bool
    /// The instances of the vault.
    public var instances: [Instance]
    /// What it runs.
    public var children: [Child]

    /// A report of an agent that has just begun.
    public init(version: String, host: String, pid: Int32, startedAt: Timestamp) {
        self.version = version
        self.host = host
        self.pid = pid
        self.startedAt = startedAt
        isStopping = false
        instances = []
        children = []
    }

    private enum CodingKeys: String, CodingKey {
        case version, host, pid, instances, children
        case startedAt = "started_at"
        case vaultReadAt = "vault_read_at"
        case isStopping = "stopping"
    }
}
