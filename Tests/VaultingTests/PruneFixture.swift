import Domain
import Platform
import Storage
import TestSupport
import Vaulting

/// A vault of small points that share packs with their parents, and ways to prune it.
struct PruneFixture {
    static let system = SyntheticBackup.system

    let store: MemoryStore
    let vault: Vault
    let clock = ManualClock()
    /// What each point must read as.
    private(set) var files: [PointID: [String: [UInt8]]] = [:]
    private var newest: [String: [UInt8]] = [:]

    init() throws {
        store = MemoryStore()
        vault = try SyntheticBackup.makeVault(store)
    }

    /// Somebody who cannot see this machine's processes: only silence tells who is dead.
    static let elsewhere = ProcessIdentity(
        host: "elsewhere",
        boot: "",
        namespace: "",
        process: 1,
        ticks: 0
    )

    /// Six files of a page; `changed` of them differ from those of the point before.
    mutating func change(_ changed: Int, _ random: inout SeededRandom) {
        let names = (0..<6).map { "f\($0)" }
        for name in newest.isEmpty ? names : Array(names.shuffled(using: &random).prefix(changed)) {
            newest[name] = SyntheticBackup.page8(&random)
        }
    }

    /// Takes a backup with this parent, or with the newest point as parent.
    @discardableResult
    mutating func backup(
        _ random: inout SeededRandom,
        changed: Int = 2,
        parent: PointID? = nil
    ) throws -> PointID {
        change(changed, &random)
        clock.advance(seconds: 60)
        let id = try parent ?? PointStore.list(vault, Self.system).last?.id
        let backup = SyntheticBackup(files: newest, directories: [], links: [:])
        let point = try backup.run(
            in: vault,
            parent: id.map { try PointReader(vault, Self.system, $0) },
            clock: clock
        )
        files[point.id] = newest
        return point.id
    }

    /// A session that stored everything and was killed before its commit.
    func killedSession(_ random: inout SeededRandom) throws -> BackupSession {
        clock.advance(seconds: 60)
        let session = try BackupSession.begin(vault, Self.system, clock: clock)
        let page = ["x": SyntheticBackup.page8(&random)]
        _ = try SyntheticBackup(files: page, directories: [], links: [:])
            .store(session, workers: 1)
        try waitUntil("its packs are there") {
            try !store.list(prefix: VaultNames.packPrefix(Self.system, session: session.id)).isEmpty
        }
        session.lease.abandon()
        return session
    }

    /// Condemns a point.
    func delete(_ id: PointID) throws {
        try GoneMarker.put(vault, Self.system, id, reason: "test", clock: clock)
    }

    /// Prunes as a host that does not see the sessions' processes.
    @discardableResult
    func prune(_ change: (inout Pruner.Options) -> Void = { _ in }) throws -> PruneOutcome {
        var options = Pruner.Options()
        change(&options)
        return try Pruner(
            vault,
            Self.system,
            options: options,
            clock: clock,
            observer: Self.elsewhere
        ).prune()
    }

    /// The visible points.
    func points() throws -> [PointID] { try PointStore.list(vault, Self.system).map(\.id) }

    /// The visible points that do not read as they were written.
    func wrong() throws -> [PointID] {
        try points().filter { try SyntheticBackup.read(vault, $0).files != files[$0] }
    }

    /// The packs that are there, and those the visible points need.
    func packs() throws -> (there: Set<ObjectName>, needed: Set<ObjectName>) {
        let prefix = VaultNames.packPrefix(Self.system)
        let needed = try points().flatMap { id in
            try PointReader(vault, Self.system, id).root.packs.map {
                VaultNames.pack(Self.system, $0.info.id)
            }
        }
        return (Set(store.names.filter { $0.text.hasPrefix(prefix) }), Set(needed))
    }
}
