package import Domain
import Synchronization
package import Vaulting

/// Saves drafts of a running backup: should it not end, the next one goes on from there.
///
/// The worker that finds a draft due closes its pack and saves it while the others go on.
package final class DraftKeeper: Sendable {
    private let session: BackupSession
    private let point: RecoveryPoint
    private let interval: UInt64
    private let stored = Atomic<UInt64>(0)
    private let savedAt = Atomic<UInt64>(0)
    private let isSaving = Atomic<Bool>(false)

    /// New pages between two drafts at least (32 MiB): losing so many costs seconds.
    private static let pagesMin: UInt64 = 4096
    /// The share of a cluster that may be lost: a draft lists all files, so there are few of them.
    private static let draftsPerBackup: UInt64 = 20

    private static let growth: UInt64 = 16

    /// Drafts of `session`'s point, of which `point` says what is known at the start.
    ///
    /// - Parameter interval: new pages after which a draft is due; by the cluster's size if nil.
    package init(
        _ session: BackupSession,
        _ point: RecoveryPoint,
        clusterBytes: UInt64? = nil,
        interval: UInt64? = nil
    ) {
        self.session = session
        self.point = point
        let share = (clusterBytes ?? 0) / UInt64(VaultFormat.pageBytes) / Self.draftsPerBackup
        self.interval = interval ?? max(Self.pagesMin, share)
    }

    /// Counts pages that were stored.
    func count(_ pages: Int) { stored.add(UInt64(pages), ordering: .relaxed) }

    /// Saves a draft if one is due and nobody else does. `packs` is the caller's own.
    func saveIfDue(_ catalog: CatalogWriter, _ packs: PackWriter) throws {
        let now = stored.load(ordering: .relaxed)
        // The longer it goes on, the rarer: the catalogs of all drafts together stay small.
        guard now - savedAt.load(ordering: .relaxed) >= max(interval, now / Self.growth),
            isSaving.compareExchange(
                expected: false,
                desired: true,
                ordering: .acquiringAndReleasing
            ).exchanged
        else { return }
        defer { isSaving.store(false, ordering: .releasing) }
        try packs.finish()
        try session.saveDraft(point, catalog: catalog)
        savedAt.store(now, ordering: .relaxed)
    }
}
