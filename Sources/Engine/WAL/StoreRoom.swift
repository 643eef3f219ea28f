import Domain
import Storage
import Vaulting

/// The room that WAL leaves free in the vault's store: for the records that tell what is wrong, and
/// for whatever else lies on the same disk.
struct StoreRoom: Sendable {
    private let vault: Vault
    private let asked: UInt64?

    /// Least and most bytes kept free unless told otherwise, in between it is 2 % of the store; of
    /// a very small one an eighth.
    private static let standard = (least: UInt64(32 << 20), most: UInt64(1 << 30))

    /// Keeps `minFree` bytes free; what suits the store when nil.
    init(_ vault: Vault, minFree: UInt64? = nil) {
        self.vault = vault
        asked = minFree
    }

    /// Bytes kept free in a store of `total` bytes.
    func minFree(of total: UInt64) -> UInt64 {
        asked ?? min(Self.standard.most, max(Self.standard.least, total / 50), total / 8)
    }

    /// Throws `.storeFull` when less is free than should be.
    func check() throws {
        guard let space = try vault.store.space() else { return }
        let wanted = minFree(of: space.totalBytes)
        guard space.freeBytes < wanted else { return }
        throw PgkeepError(
            .storeFull,
            "the vault has \(space.freeBytes >> 20) MiB free, of which \(wanted >> 20) MiB are to"
                + " stay free: no WAL is taken until there is room",
            hint: "make room on its disk, or run pgkeep vault prune; the server keeps the WAL"
        )
    }

    /// True when there is room again, and some more, so that it does not run out at once.
    func isBack() throws -> Bool {
        guard let space = try vault.store.space() else { return true }
        let wanted = minFree(of: space.totalBytes)
        return space.freeBytes >= wanted + wanted / 4
    }
}
