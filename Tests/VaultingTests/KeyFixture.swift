import Domain
import Platform
import Sealing
import Storage
import TestSupport
import Vaulting

/// A vault in memory and the ways to open it.
struct KeyFixture {
    static let passphrase = KeySource.passphrase(SecretBytes(Array("open sesame".utf8)))
    static let first = SyntheticBackup.keySource(7)
    static let second = SyntheticBackup.keySource(8)
    static let third = SyntheticBackup.keySource(9)

    /// Makes slots quick to open.
    static let cheap = ScryptCost(unchecked: 1024, 8, 1)

    /// A process of this machine that has ended.
    static var gone: ProcessIdentity {
        var identity = ProcessIdentity.current()
        identity.ticks += 1
        return identity
    }

    let store = MemoryStore()

    /// A vault that `first` opens, with the WAL its points will need.
    init() throws { try SyntheticBackup.addArchive(to: SyntheticBackup.makeVault(store)) }

    func open(_ source: KeySource = first) throws -> Vault {
        try Vault.open(store: store, keySource: source)
    }

    /// Changes keys as the holder of `source`.
    func keys(
        _ source: KeySource = first,
        holder: ProcessIdentity = .current()
    ) throws -> VaultKeys { try VaultKeys(open(source), holder: holder) }

    @discardableResult
    func rotate(
        _ source: KeySource = first,
        keeping others: [KeySource] = [],
        dropsOthers: Bool = false,
        holder: ProcessIdentity = .current()
    ) throws -> VaultKeys.Rotation {
        try keys(source, holder: holder).rotate(
            keeping: [source] + others,
            dropsOthers: dropsOthers,
            cost: Self.cheap
        )
    }

    /// The epoch in an object's clear header.
    func epoch(of name: ObjectName) -> UInt32? {
        guard let bytes = store.peek(name), bytes.count >= 16 else { return nil }
        return (0..<4).reduce(0) { $0 | UInt32(bytes[12 + $1]) << (8 * UInt32($1)) }
    }

    /// The code of the error `body` throws; nil when it throws none.
    static func code(_ body: () throws -> Void) -> ErrorCode? {
        do {
            try body()
            return nil
        } catch {
            return (error as? PgkeepError)?.code
        }
    }
}
