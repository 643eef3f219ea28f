public import Domain
public import Platform
import Storage

/// A role on an instance that only one session at a time may have.
public enum Role: String, Hashable, Sendable, Codable, CaseIterable {
    /// Streaming the WAL into the archive.
    case stream
    /// Taking a base backup.
    case backup
    /// Deciding what is due and doing it.
    case due
    /// Keeping the instance streaming and backed up, as an agent does.
    case agent
    /// Restoring for proof, when that is due.
    case drill

    /// After this long without a sign its holder, where it cannot be looked at directly, may be
    /// replaced. Streams and agents are short of it: their silence costs the window its newest end.
    public var silenceSeconds: Double {
        switch self {
        case .agent, .stream: 40
        case .backup, .due, .drill: LeaseRecord.silenceSeconds
        }
    }

    /// The words for messages.
    public var noun: String {
        switch self {
        case .stream: "WAL streaming"
        case .backup: "a backup"
        case .due: "due work"
        case .agent: "an agent's care"
        case .drill: "a drill that is due"
        }
    }
}

/// What a generation of a claim says: who holds the role, or that it was given back.
public struct ClaimRecord: Hashable, Sendable, Codable {
    /// The role.
    public var role: Role
    /// Counted up with every change of hands; the highest is the one that counts.
    public var generation: UInt64
    /// The session that holds it; its lease says whether it lives.
    public var session: PointID
    /// The process.
    public var holder: ProcessIdentity
    /// Since when, on the holder's clock.
    public var since: Timestamp
    /// True when the role was given back: nobody holds it.
    public var isReleased: Bool

    enum CodingKeys: String, CodingKey {
        case role, generation, session, holder, since
        case isReleased = "released"
    }

    /// The prefix of all generations of a role.
    static func prefix(_ system: SystemIdentifier, _ role: Role) -> String {
        "\(VaultNames.prefix(system))claim/\(role.rawValue)/"
    }

    static func name(_ system: SystemIdentifier, _ role: Role, _ generation: UInt64) -> ObjectName {
        ObjectName(prefix(system, role) + decimal10(generation))
    }
}

/// Ten decimal digits.
func decimal10(_ value: UInt64) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, 10 - digits.utf8.count)) + digits
}
