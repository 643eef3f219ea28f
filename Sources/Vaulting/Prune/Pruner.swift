public import Domain
public import Platform
import Storage

/// Gives space of one instance back: what no visible point and no living session can need.
///
/// Safe beside backups, streams, restores, checks and other pruners of any host, and when killed
/// anywhere: every delete can be repeated, and what is deleted can never be needed again. The proof
/// is the order of its steps (format spec, *The order of events*), not any clock. One use each.
public final class Pruner {
    /// How to prune.
    public struct Options: Sendable {
        /// True to find out only: nothing is written or deleted.
        public var isDry = false
        /// Points to be taken for condemned in a dry run.
        public var assumedGone: Set<PointID> = []
        /// The earliest moment that must stay within reach; nil for all the points reach.
        public var since: Timestamp?
        /// Points known to be damaged: nothing can be reached from them.
        public var damaged: Set<PointID> = []
        /// Earlier moments that must stay within reach, too.
        public var moments: [ClosedRange<Timestamp>] = []
        /// The instance's segment size, for when no point tells it.
        public var segmentSize: WALSegmentSize?
        /// Seconds without a sign after which a session that cannot be looked at counts as dead:
        /// long, since hosts' clocks may differ.
        public var silenceSeconds: Double = 3600

        /// Everything as a matter of course.
        public init() {}
    }

    /// What the steps share.
    struct Run {
        let vault: Vault
        let system: SystemIdentifier
        let id: PointID
        let options: Options
        let clock: any Clock
        let observer: ProcessIdentity
        let token: CancellationToken
        let onBytes: (UInt64) -> Void

        /// Removes an object unless this is a dry run. A cancelled run stops before it.
        func delete(_ object: ObjectInfo) throws {
            try token.check()
            onBytes(object.size)
            if !options.isDry { try vault.store.delete(object.name) }
        }
    }

    /// Called with the lease of a dead session before it is removed: the last chance to keep what
    /// it told.
    public var onEnded: (LeaseRecord) throws -> Void = { _ in }
    /// Called with WAL before and after it is deleted: the place to write down the hole it leaves.
    public var onDroppingWAL: ([PruneOutcome.WALStretch]) throws -> Void = { _ in }

    /// Files of `tmp/` this old are removed; those of living writers are locked besides.
    private static let leftoverSeconds: Int64 = 600

    private let run: Run
    private var outcome = PruneOutcome()

    /// A run on one instance.
    ///
    /// - Parameters:
    ///   - observer: the process sessions are looked at from.
    ///   - onBytes: called with the bytes of each object that is let go.
    public init(
        _ vault: Vault,
        _ system: SystemIdentifier,
        options: Options = Options(),
        clock: any Clock = SystemClock(),
        observer: ProcessIdentity = .current(),
        token: CancellationToken = CancellationToken(),
        onBytes: @escaping (UInt64) -> Void = { _ in }
    ) {
        precondition(options.isDry || options.assumedGone.isEmpty)
        run = Run(
            vault: vault,
            system: system,
            id: PointID(time: clock.now, random: (Vault.randomWord(), Vault.randomWord())),
            options: options,
            clock: clock,
            observer: observer,
            token: token,
            onBytes: onBytes
        )
    }

    /// Prunes. Throws `.cancelled` and store errors; what was done until then stands and harms
    /// nothing, the next run goes on from there.
    ///
    /// Where there is no room even for a tombstone, dead sessions count as living at first: what
    /// can be let go without it makes the room.
    public func prune() throws -> PruneOutcome {
        do {
            return try pass()
        } catch let error as PgkeepError where error.code == .storeFull {
            outcome = PruneOutcome()
            let first = try pass(isFencing: false)
            outcome = PruneOutcome()
            var second = try pass()
            second.add(first)
            return second
        }
    }

    /// The numbers are those of the format spec; P1, condemning, has been done by whoever wants
    /// points gone. What P2 does not know of yet waits for the next run: a marker newer than the
    /// list of leases proves nothing about who has seen it.
    private func pass(isFencing: Bool = true) throws -> PruneOutcome {
        // P2. WAL and drafts are listed here too: before the leases, for the same reason.
        let gone = try GoneMarker.list(run.vault, run.system).union(run.options.assumedGone)
        let wal = try run.vault.store.list(prefix: WALObjectName.prefix(run.system))
        let drafts = try Drafts(run, gone)
        // P3.
        let sessions = try SessionSweep(run, isFencing: isFencing).run(&outcome, onEnded)
        // P4.
        let dropped = try dropRoots(gone, sessions)
        let named = try drafts.sweep(sessions, &outcome)
        // P5.
        let packs = try run.vault.store.list(prefix: VaultNames.packPrefix(run.system))
        // P6.
        var roots = try PresentRoots(
            run.vault,
            run.system,
            leaving: dropped,
            token: run.token
        )
        roots.live.formUnion(named)
        describe(roots, gone, sessions)
        // P7.
        if roots.damaged.isEmpty {
            try PackSweep(run).run(packs, roots, gone, sessions, &outcome)
            try WALSweep(run).run(wal, roots, sessions, &outcome, onDroppingWAL)
        } else {
            for pack in packs { outcome.packsKept.add(pack.size) }
        }
        try sweepClaims()
        try tidyStore()
        return outcome
    }

    /// Removes the roots of condemned points no living session reads.
    private func dropRoots(_ gone: Set<PointID>, _ sessions: LivingSessions) throws -> Set<PointID>
    {
        let prefix = VaultNames.rootPrefix(run.system)
        var dropped: Set<PointID> = []
        for object in try run.vault.store.list(prefix: prefix) {
            guard let id = PointID(object.name.text.dropFirst(prefix.utf8.count)),
                gone.contains(id), sessions.pin(of: id) == nil
            else { continue }
            try run.delete(object)
            dropped.insert(id)
            outcome.points.append(PruneOutcome.Point(id: id, fate: .dropped))
            outcome.garbage.add(object.size)
        }
        return dropped
    }

    private func describe(
        _ roots: PresentRoots,
        _ gone: Set<PointID>,
        _ sessions: LivingSessions
    ) {
        for id in roots.marks.sorted() where roots.tombstones[id] == nil {
            if let error = roots.damaged[id] {
                outcome.points.append(PruneOutcome.Point(id: id, fate: .damaged))
                outcome.warnings.append(
                    "the root of \(id) cannot be read, so nothing it may need is let go: "
                        + error.description
                )
            } else if roots.points[id] != nil {
                let pin = gone.contains(id) ? sessions.pin(of: id) : nil
                outcome.points.append(
                    PruneOutcome.Point(id: id, fate: pin.map { .pinned($0) } ?? .visible)
                )
            }
        }
        outcome.points.sort { $0.id < $1.id }
    }

    /// Removes all but the highest generation of each claim: the highest alone counts, and must
    /// never be missing, or the count would begin again.
    private func sweepClaims() throws {
        for role in Role.allCases {
            let prefix = ClaimRecord.prefix(run.system, role)
            for claim in try run.vault.store.list(prefix: prefix).dropLast() {
                try run.delete(claim)
                outcome.garbage.add(claim.size)
            }
        }
    }

    private func tidyStore() throws {
        guard !run.options.isDry else { return }
        let moment = run.clock.now.adding(seconds: -Self.leftoverSeconds)
        outcome.leftovers = try run.vault.store.removeLeftovers(before: moment)
        try run.vault.store.restoreReserve()
    }
}
