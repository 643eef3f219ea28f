package import Domain
import Synchronization
package import Vaulting

/// Decides which unchanged pages a backup stores again, so that old packs empty and can be deleted.
///
/// A pack is written once and deleted when no point needs any of it. Without this, one page that
/// never changes would keep its 64 MiB for ever, and a restore would gather pages from every day
/// there was. The bytes are at hand when the server sends them anyway, so this costs writes only;
/// older points keep the old packs until they expire. Shared by the workers.
package final class Evacuation: Sendable {
    /// When packs are emptied, and how much of that a point may do.
    package struct Policy: Sendable {
        /// Packs of which less than this share of the bytes is needed are emptied; 0: none ever is.
        package var threshold = 0.35
        /// Where changes are spread evenly all packs thin out alike, and all at once reach the
        /// threshold. So when less than this share of all packs together is needed, ...
        package var occupancyWanted = 0.7
        /// ... packs of which less than this share is needed are emptied.
        package var sparseThreshold = 0.8
        /// Packs younger than this are left alone: what was just written tends to change again.
        package var minimumAgeSeconds: Int64 = 86_400
        /// Pages stored again for each page stored because it is new.
        package var shareOfNew = 0.5
        /// The share of all pages that may be stored again however few are new.
        package var shareOfAll = 0.01

        /// The defaults.
        package init() {}
    }

    /// What becomes of a pack's unchanged pages.
    enum Turn {
        /// They stay.
        case never
        /// They are stored again once the budget exceeds the pages of packs with even less in use.
        case after(pages: UInt64)
        /// They are stored again whatever that costs: the pack is damaged.
        case always
    }

    private let turns: [PackID: Turn]
    private let allowance: UInt64
    private let shareOfNew: Double
    private let new = Atomic<UInt64>(0)
    private let moved = Atomic<UInt64>(0)

    /// What is worth emptying of the packs of `parent`.
    ///
    /// - Parameters:
    ///   - damaged: packs known to be damaged or missing; all of their pages are stored again.
    ///   - now: compared with the packs' birth. A wrong clock moves the work to another day.
    package init(
        of parent: PointRoot,
        damaged: Set<PackID> = [],
        policy: Policy = Policy(),
        now: Timestamp
    ) {
        var turns = Dictionary(uniqueKeysWithValues: damaged.map { ($0, Turn.always) })
        let size = parent.packs.reduce(0) { $0 + Double($1.info.size) }
        let live = parent.packs.reduce(0) { $0 + $1.liveBytes }
        var threshold = policy.threshold
        if threshold > 0, live < size * policy.occupancyWanted {
            threshold = max(threshold, policy.sparseThreshold)
        }
        let candidates = parent.packs.filter { pack in
            pack.liveShare < threshold && turns[pack.info.id] == nil
                && pack.info.id.session.time.adding(seconds: policy.minimumAgeSeconds) < now
        }
        // The emptiest first: they give the most space back for the fewest pages.
        var before: UInt64 = 0
        let emptiestFirst = candidates.sorted {
            ($0.liveShare, $0.info.id) < ($1.liveShare, $1.info.id)
        }
        for pack in emptiestFirst {
            turns[pack.info.id] = .after(pages: before)
            before += UInt64(pack.livePages)
        }
        self.turns = turns
        allowance = UInt64(Double(parent.point.pagesTotal) * policy.shareOfAll)
        shareOfNew = policy.shareOfNew
    }

    /// Pages that were stored again.
    package var movedPages: UInt64 { moved.load(ordering: .relaxed) }

    /// What becomes of the unchanged pages of each of `packs`; nil when all stay.
    func turns(of packs: [PackID]) -> [Turn]? {
        guard !turns.isEmpty else { return nil }
        let found = packs.map { turns[$0] ?? .never }
        return found.contains { if case .never = $0 { false } else { true } } ? found : nil
    }

    /// Counts pages stored because they are new: they raise the budget.
    func countNew(_ pages: Int) { new.add(UInt64(pages), ordering: .relaxed) }

    /// Whether one more unchanged page is to be stored again; counts it when it is.
    func takesPage(_ turn: Turn) -> Bool {
        switch turn {
        case .never: return false
        case .always: break
        case .after(let pages):
            let budget = self.budget
            // Workers may overdraw by a page each; nothing depends on the last page.
            guard pages < budget, moved.load(ordering: .relaxed) < budget else { return false }
        }
        moved.add(1, ordering: .relaxed)
        return true
    }

    /// True when a pack is damaged: only a stream of every page brings its pages again.
    var heals: Bool { turns.values.contains { if case .always = $0 { true } else { false } } }

    /// Whether anything of a file that lies in `packs` would be stored again now.
    func takesAny(of packs: [PackID]) -> Bool {
        guard !turns.isEmpty, moved.load(ordering: .relaxed) < budget else { return false }
        return packs.contains { takesMap(in: $0) }
    }

    /// Whether a map that lies in `pack` is to be written anew.
    func takesMap(in pack: PackID) -> Bool {
        switch turns[pack] {
        case nil, .never: false
        case .always: true
        case .after(let pages): pages < budget
        }
    }

    private var budget: UInt64 {
        max(allowance, UInt64(Double(new.load(ordering: .relaxed)) * shareOfNew))
    }
}

extension PointRoot.Pack {
    /// Bytes of the pack that its point needs, taking all its pages for equally long.
    var liveBytes: Double {
        let pageBytes = Double(info.size) - Double(info.metaBytes)
        let pages = info.pages == 0 ? 0 : Double(livePages) / Double(info.pages)
        return pages * max(pageBytes, 0) + Double(liveMetaBytes)
    }

    /// The share of the pack's bytes that its point needs, 0…1.
    var liveShare: Double { liveBytes / Double(max(info.size, 1)) }
}
