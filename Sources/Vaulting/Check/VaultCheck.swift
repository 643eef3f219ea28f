public import Domain
public import Platform
public import Storage

/// Looks for damage in a vault: what is missing, altered, swapped, or not what it says.
///
/// Reads only. Objects that come and go while it looks (leases, claims, journals, running backups)
/// are no damage. One use each.
public final class VaultCheck {
    /// How closely to look.
    public enum Level: Int, Sendable, Comparable {
        /// Every object listed with the size the points expect; roots read.
        case list
        /// Also every byte of every object read: seals and digests.
        case seal
        /// Also every page of every point restored in memory and compared with its fingerprint.
        case decode

        /// Orders by thoroughness.
        public static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }

    /// A damaged object.
    public struct Damage: Hashable, Sendable {
        /// The object.
        public let object: ObjectName
        /// What is wrong with it, for people.
        public let reason: String
        /// The instance it belongs to, if any.
        public let system: SystemIdentifier?
        /// The recovery points that need it.
        public var points: [PointID]
    }

    /// What was found.
    public struct Report: Sendable {
        /// Objects listed.
        public var objects = 0
        /// Bytes of objects read, and of pages decoded.
        public var bytes: UInt64 = 0
        /// What is damaged, by name; empty when all is well.
        public var damage: [Damage] = []
        /// Objects and points left out, since they were looked at before.
        public var leftOut = 0
        /// Objects and points that were due when the budget was spent.
        public var due = 0
        /// Packs read to their end and found sound.
        public var soundPacks: [SystemIdentifier: Set<PackID>] = [:]
        /// What is known now of when what was looked at, by instance; empty at level list.
        public var scrubs: [SystemIdentifier: ScrubRecord] = [:]
    }

    /// Judges pages of one file by what PostgreSQL says of them: given the page's number in the
    /// file and its 8192 bytes, says what is wrong, or nil.
    public typealias PageJudge = (Int, UnsafeRawBufferPointer) -> String?

    let vault: Vault
    let level: Level
    let plan: ScrubPlan
    /// Gives the judge of a file of so many bytes of a point; nil when its pages are not judged.
    let judge: (RecoveryPoint, _ path: [UInt8], _ size: UInt64) -> PageJudge?
    private let only: SystemIdentifier?
    private let token: CancellationToken
    private let onProgress: (UInt64) -> Void
    var report = Report()
    private(set) var found: [ObjectName: Damage] = [:]
    private(set) var listed: [ObjectName: UInt64] = [:]
    /// The points that need each pack.
    private(set) var users: [PackID: [PointID]] = [:]
    private(set) var expected: [PackID: PackInfo] = [:]

    /// A check of the whole vault, or of the objects of one instance and the vault's own.
    ///
    /// - Parameters:
    ///   - plan: what to leave out and when to stop; everything is looked at without one.
    ///   - judge: what PostgreSQL says of pages; called at level decode.
    ///   - onProgress: called now and then with the bytes done so far.
    public init(
        _ vault: Vault,
        level: Level,
        only: SystemIdentifier? = nil,
        plan: ScrubPlan = ScrubPlan(),
        token: CancellationToken = CancellationToken(),
        judge: @escaping (RecoveryPoint, _ path: [UInt8], _ size: UInt64) -> PageJudge? = {
            _,
            _,
            _ in nil
        },
        onProgress: @escaping (UInt64) -> Void = { _ in }
    ) {
        self.vault = vault
        self.level = level
        self.only = only
        self.plan = plan
        self.token = token
        self.judge = judge
        self.onProgress = onProgress
    }

    /// Looks. Throws only when looking is not possible: store out of reach, cancelled.
    public func run() throws -> Report {
        let objects = try vault.store.list(prefix: "").filter { information in
            guard let only, let system = ObjectPlace(information.name).system else { return true }
            return system == only
        }
        listed = Dictionary(objects.map { ($0.name, $0.size) }) { first, _ in first }
        report.objects = objects.count
        try examine(VaultNames.vaultFile) { try vault.verifyFile() }
        try checkSlots(objects)
        let known = objects.map { ObjectPlace($0.name) }
        let systems = Set(known.compactMap(\.system)).sorted()
        // Of instances deleted for good only markers are there, and no record.
        let present = Set(known.filter { !$0.isMarker }.compactMap(\.system))
        var scrubs = [Scrub(self, system: nil)]
        for system in systems {
            let points = try checkRoots(system)
            try checkOrphans(system)
            if present.contains(system) {
                try ArchiveCheck(self, system).run(points.map(\.point))
            }
            let scrub = Scrub(self, system: system)
            if level >= .decode { scrub.add(points.map(\.point.id)) }
            scrubs.append(scrub)
        }
        let places = Dictionary(scrubs.map { ($0.system, $0) }) { first, _ in first }
        for object in objects {
            guard checkName(object), level >= .seal else { continue }
            places[ObjectPlace(object.name).system]?.add(object)
        }
        if level >= .seal { try Scrub.run(scrubs, self) }
        report.damage = try found.values.filter { try !isCondemned($0) }
            .sorted { $0.object < $1.object }
        return report
    }

    /// True when all points that need the object were condemned while we looked: pruning takes it.
    private func isCondemned(_ damage: Damage) throws -> Bool {
        guard let system = damage.system, !damage.points.isEmpty else { return false }
        return try damage.points.allSatisfy {
            try vault.store.head(VaultNames.gone(system, $0)) != nil
        }
    }

    // MARK: - What is found

    func damaged(_ name: ObjectName, _ reason: String, points: [PointID] = []) {
        let place = ObjectPlace(name)
        var needed = Set(points)
        if case .pack(_, let id) = place { needed.formUnion(users[id] ?? []) }
        if case .root(_, let id) = place { needed.insert(id) }
        needed.formUnion(found[name]?.points ?? [])
        found[name] = Damage(
            object: name,
            reason: found[name]?.reason ?? reason,
            system: place.system,
            points: needed.sorted()
        )
    }

    /// Runs `body`; what it throws is damage to `name`, unless it says that looking is impossible.
    func examine(_ name: ObjectName, points: [PointID] = [], _ body: () throws -> Void) throws {
        try token.check()
        do {
            try body()
        } catch let error as PgkeepError {
            switch error.code {
            case .integrity, .vaultVersion, .wrongKey, .notFound:
                damaged(name, error.description, points: points)
            default: throw error
            }
        }
    }

    func advance(_ bytes: UInt64) throws {
        try token.check()
        report.bytes += bytes
        onProgress(report.bytes)
    }

    // MARK: - Points

    /// What is remembered of a root that was read: all of them at once would be too much.
    struct Root {
        var point: RecoveryPoint
        var digest: [UInt8]
        var parentRoot: [UInt8]?
    }

    /// Reads the visible roots, compares their packs with the listing; returns those readable.
    private func checkRoots(_ system: SystemIdentifier) throws -> [Root] {
        var roots: [Root] = []
        for id in try PointStore.visible(vault, system) {
            let name = VaultNames.root(system, id)
            // A point committed since has packs that are not in the listing.
            guard listed[name] != nil else { continue }
            try examine(name) {
                guard try PointStore.isRoot(vault, system, id) else { return }
                let root = try PointReader(vault, system, id).root
                for pack in root.packs { users[pack.info.id, default: []].append(id) }
                checkPacks(of: root, system)
                roots.append(
                    Root(point: root.point, digest: root.digest, parentRoot: root.parentRoot)
                )
            }
        }
        // Points read later need packs that were found damaged before.
        for (name, damage) in found {
            if case .pack(_, let id) = ObjectPlace(name), damage.system == system {
                found[name]?.points = users[id] ?? []
            }
        }
        for root in roots { try checkParent(of: root, system, among: roots) }
        return roots
    }

    private func checkPacks(of root: PointRoot, _ system: SystemIdentifier) {
        for pack in root.packs {
            let name = VaultNames.pack(system, pack.info.id)
            if let known = expected[pack.info.id], known != pack.info {
                damaged(
                    VaultNames.root(system, root.point.id),
                    "it describes pack \(pack.info.id) otherwise than another point does"
                )
            }
            expected[pack.info.id] = pack.info
            switch listed[name] {
            case nil: damaged(name, "it is missing")
            case pack.info.size?: break
            case let size?: damaged(name, "it has \(size) bytes, not \(pack.info.size)")
            }
        }
    }

    /// A parent that was not condemned must still be there, and be the very root it was.
    private func checkParent(
        of root: Root,
        _ system: SystemIdentifier,
        among roots: [Root]
    ) throws {
        guard let parent = root.point.parent else { return }
        let name = VaultNames.root(system, parent)
        if let present = roots.first(where: { $0.point.id == parent }) {
            if present.digest != root.parentRoot {
                damaged(name, "it is not the root that \(root.point.id) was made from")
            }
        } else if listed[name] == nil, listed[VaultNames.gone(system, parent)] == nil {
            damaged(name, "it is missing and was not condemned", points: [parent])
        }
    }

    /// Packs of a session that has neither root nor tombstone, marker nor lease: its root is lost.
    private func checkOrphans(_ system: SystemIdentifier) throws {
        let prefix = VaultNames.packPrefix(system)
        var packs: [PointID: ObjectName] = [:]
        for name in listed.keys where name.text.hasPrefix(prefix) {
            if case .pack(_, let id) = ObjectPlace(name) { packs[id.session] = name }
        }
        for (session, pack) in packs {
            let marks = [
                VaultNames.root(system, session), VaultNames.gone(system, session),
                VaultNames.lease(system, session),
            ]
            guard marks.allSatisfy({ listed[$0] == nil }) else { continue }
            // A session that began after the listing shows a mark now; one that gave up meanwhile
            // has removed its packs before its lease.
            if try marks.allSatisfy({ try vault.store.head($0) == nil }),
                try vault.store.head(pack) != nil
            {
                damaged(
                    VaultNames.root(system, session),
                    "it is missing, but packs of it are there",
                    points: [session]
                )
            }
        }
    }

    // MARK: - Objects

    private func checkSlots(_ objects: [ObjectInfo]) throws {
        for object in objects where ObjectPlace(object.name) == .keySlot {
            try examine(object.name) { try KeySlots.check(vault, object.name) }
        }
    }

    /// Judges the name; false when there is nothing more to look at.
    private func checkName(_ object: ObjectInfo) -> Bool {
        switch ObjectPlace(object.name) {
        case .vaultFile, .keySlot: return false
        case .unknown:
            damaged(object.name, "no pgkeep of this version writes such a name")
            return false
        default: return true
        }
    }

    /// Reads the whole object and checks every seal in it. True when it is sound.
    func checkSeals(of object: ObjectInfo) throws -> Bool {
        let place = ObjectPlace(object.name)
        try examine(object.name) { try SealCheck(self).run(object, place) }
        guard found[object.name] != nil else { return true }
        if users[packID(place)] == nil, try vault.store.head(object.name) == nil {
            // It came to its natural end while we looked.
            found[object.name] = nil
        }
        return false
    }

    private func packID(_ place: ObjectPlace) -> PackID {
        guard case .pack(_, let id) = place else {
            return PackID(session: PointID(milliseconds: 0, random: (0, 0)), number: 0)
        }
        return id
    }
}
