public import Domain

/// One thing an agent keeps going by running a command again and again.
public struct Chore: Hashable, Sendable {
    /// What it is about.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        /// Streaming an instance's WAL.
        case stream
        /// Taking an instance's backups that are due.
        case due
        /// Freeing space of the vault.
        case prune
        /// Looking for damage, in turns.
        case check
        /// Restoring for proof, where a policy asks for it.
        case drill
        /// Looking whether all is as it should be, and telling people when not.
        case alerts
    }

    /// Which chore: there is one of a kind for an instance, or for the vault.
    public struct ID: Hashable, Sendable, CustomStringConvertible {
        /// What it is about.
        public var kind: Kind
        /// The instance it serves; nil for the whole vault.
        public var instance: InstanceName?

        /// A chore's identity.
        public init(_ kind: Kind, _ instance: InstanceName? = nil) {
            self.kind = kind
            self.instance = instance
        }

        /// For messages and logs: `stream main`, `prune`.
        public var description: String {
            ([kind.rawValue] + (instance.map { [$0.description] } ?? [])).joined(separator: " ")
        }
    }

    /// When it is run.
    public enum Rhythm: Hashable, Sendable {
        /// Always: started again whenever it ends.
        case always
        /// Again so many seconds after its last end, unless its answer names another time.
        case every(seconds: Double)
        /// Once a day from this time on.
        case daily(DailyTime)
    }

    /// Which.
    public var id: ID
    /// The words of the command behind `pgkeep`.
    public var command: [String]
    /// When it is run.
    public var rhythm: Rhythm

    /// A chore.
    public init(_ id: ID, command: [String], rhythm: Rhythm) {
        self.id = id
        self.command = command
        self.rhythm = rhythm
    }
}

extension Chore.Kind {
    /// Seconds it may go on after the agent was told to stop, given what the agent was told.
    ///
    /// A backup is worth waiting for; everything else resumes where it was.
    func patience(_ stopSeconds: Double) -> Double {
        self == .due || self == .drill ? stopSeconds : 0
    }

    /// True for work of which only a few run at a time, for the sake of the machine.
    var isHeavy: Bool { self == .due }
}
