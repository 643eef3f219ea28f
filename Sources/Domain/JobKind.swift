/// What a job does.
public enum JobKind: String, Hashable, Sendable, Codable, CaseIterable {
    /// Takes a base backup.
    case backup
    /// Restores to a moment.
    case restore
    /// Looks for damage.
    case check
    /// Frees space.
    case prune
    /// Streams WAL into the vault.
    case stream
    /// Deletes recovery points or an instance.
    case delete
    /// Stops, resumes or otherwise changes an instance's protection.
    case lifecycle
    /// Restores for proof and throws the copy away.
    case drill
}
