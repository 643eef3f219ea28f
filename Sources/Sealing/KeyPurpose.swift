/// What a derived key may be used for; the byte is part of the derivation.
public enum KeyPurpose: UInt8, Sendable, CaseIterable {
    /// Pages and files in packs.
    case data = 1
    /// Maps, catalogs and roots.
    case meta = 2
    /// Markers, leases, claims and records.
    case control = 3
    /// The WAL archive.
    case wal = 4
}
