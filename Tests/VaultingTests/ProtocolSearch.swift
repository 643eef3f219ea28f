import Domain
import Platform
import Storage
import TestSupport
import Vaulting

/// One run of writers, pruners and readers against one vault, in an order the seed decides.
final class ProtocolSearch: Sendable {
    private typealias Backup = SyntheticBackup

    /// A vault with two points, the second made from the first: what every run begins with.
    struct Origin: Sendable {
        var objects: [ObjectName: [UInt8]] = [:]
        var files: [PointID: [String: [UInt8]]] = [:]

        init() throws {
            let store = MemoryStore()
            let vault = try Backup.makeVault(store)
            let clock = ManualClock(Timestamp(seconds: 1_767_000_000))
            var parent: PointReader?
            for number in 0..<2 {
                let files = ProtocolSearch.files(changing: number, from: parent == nil ? 0 : 100)
                let backup = Backup(files: files, directories: [], links: [:])
                clock.advance(seconds: 1)
                let point = try backup.run(in: vault, parent: parent, clock: clock)
                parent = try PointReader(vault, Backup.system, point.id)
                self.files[point.id] = files
            }
            for name in store.names { objects[name] = store.peek(name) }
        }
    }

    private struct State {
        var files: [PointID: [String: [UInt8]]]
        var roots: [ObjectName: (bytes: [UInt8], packs: [(ObjectName, UInt64)])] = [:]
    }

    private let store = MemoryStore()
    private let vault: Vault
    private let schedule: Schedule
    private let seed: UInt64
    private let mutant: ProtocolMutant.Kind?
    private let state: Condition<State>
    private let actors: [Actor]
    private let hasWrongClocks: Bool

    private enum Actor { case writer, pruner, reader, condemner }

    init(_ origin: Origin, seed: UInt64, mutant: ProtocolMutant.Kind? = nil) throws {
        var random = SeededRandom(seed: seed ^ 0xa5a5_5a5a)
        self.seed = seed
        self.mutant = mutant
        for (name, bytes) in origin.objects { store.overwrite(name, with: bytes) }
        vault = try Vault.open(store: store, keySource: Backup.keySource())
        state = Condition(State(files: origin.files))
        let crowds: [[Actor]] = [
            [.writer, .pruner, .pruner], [.writer, .writer, .pruner], [.writer, .reader, .pruner],
            [.writer, .writer, .pruner, .pruner], [.reader, .pruner, .pruner, .writer],
            [.writer, .pruner, .condemner], [.writer, .writer, .pruner, .condemner],
        ]
        // Three suffice to fall into what a mutant leaves open, and find it sooner.
        let choice = mutant == nil ? crowds : [[.writer, .pruner, .condemner], crowds[0]]
        actors = choice[Int.random(in: 0..<choice.count, using: &random)]
        hasWrongClocks = Bool.random(using: &random)
        let isRough = Bool.random(using: &random)
        schedule = Schedule(
            seed: seed,
            actors: actors.count,
            chances: Schedule.Chances(crash: isRough ? 60 : 0, lostAnswer: isRough ? 30 : 0)
        )
    }

    /// Runs all actors to their ends; what went wrong, if anything.
    func run() throws -> String? {
        let threads = actors.enumerated().map { number, actor in
            Thread<Void>("actor-\(number)") { [self] in
                try act(number, actor)
                schedule.finish(number)
            }
        }
        schedule.waitForEnd()
        for thread in threads { try thread.join() }
        if schedule.violation == nil { try verifyEnd() }
        return schedule.violation.map { "seed \(seed): \($0)\n\(schedule.trace)" }
    }

    // MARK: - Actors

    private func act(_ number: Int, _ actor: Actor) throws {
        var random = SeededRandom(seed: seed &+ UInt64(number) &* 7919)
        let years = hasWrongClocks ? [-10, 0, 0, 10][Int.random(in: 0..<4, using: &random)] : 0
        let clock = ManualClock()
        // Ids order by time; a second apart, chance has no part in it.
        clock.set(clock.now.adding(seconds: Int64(years) * 31_557_600 + Int64(number) * 100))
        var wrong: ProtocolMutant?
        if let mutant, mutant.isOfWriters ? actor == .writer : actor == .pruner {
            wrong = ProtocolMutant(mutant, vault, store)
        }
        let own = try Vault.open(
            store: SeenStore(
                store,
                ScheduledStore(
                    store,
                    schedule,
                    actor: number,
                    mutant: wrong
                ) { [self] in verify() }
            ),
            keySource: Backup.keySource()
        )
        do {
            try schedule.pass(number, "\(actor) begins")
            switch actor {
            case .writer: try write(own, clock, &random)
            case .pruner: try prune(own, clock, &random)
            case .reader: try read(own, clock, &random)
            case .condemner: for _ in 0..<3 { try condemn(own, clock, &random) }
            }
        } catch is Schedule.Crashed {
        } catch is PgkeepError {
            // Lost answers, expired parents, fenced sessions: a job may fail, never do harm.
        }
    }

    private func write(_ own: Vault, _ clock: ManualClock, _ random: inout SeededRandom) throws {
        for _ in 0..<2 {
            let parent = try visible().randomElement(using: &random).map {
                try PointReader(vault, Backup.system, $0)
            }
            let files = Self.files(
                changing: Int.random(in: 0..<3, using: &random),
                from: Int.random(in: 0..<1000, using: &random)
            )
            do {
                clock.advance(seconds: 1)
                let session = try BackupSession.begin(
                    own,
                    Backup.system,
                    parent: parent,
                    clock: clock
                )
                state.change { $0.files[session.id] = files }
                do {
                    _ = try Backup(files: files, directories: [], links: [:]).run(session)
                    return
                } catch {
                    session.abandon()
                    throw error
                }
            } catch let error as PgkeepError where error.code == .busy {
                continue
            }
        }
    }

    private func prune(_ own: Vault, _ clock: ManualClock, _ random: inout SeededRandom) throws {
        for _ in 0..<2 {
            if Bool.random(using: &random) { try condemn(own, clock, &random) }
            _ = try pruner(own, clock).prune()
        }
    }

    private func condemn(_ own: Vault, _ clock: ManualClock, _ random: inout SeededRandom) throws {
        let points = try visible()
        if points.count > 1, let unlucky = points.randomElement(using: &random) {
            try GoneMarker.put(own, Backup.system, unlucky, reason: "search", clock: clock)
        }
    }

    private func read(_ own: Vault, _ clock: ManualClock, _ random: inout SeededRandom) throws {
        guard let id = try visible().randomElement(using: &random) else { return }
        let lease = try Lease.begin(
            own,
            Backup.system,
            kind: .restore,
            parent: id,
            clock: clock,
            beatSeconds: nil
        )
        defer { try? lease.end() }
        let point: PointReader
        do {
            point = try PointReader(own, Backup.system, id)
        } catch let error as PgkeepError where error.code == .notFound {
            return
        }
        do {
            let read = try Backup.read(point)
            if read.files != state.read({ $0.files[id] }) { schedule.fail("\(id) read wrongly") }
        } catch let error as PgkeepError where error.code == .notFound {
            // Only who is taken for dead loses what he reads.
            if !hasWrongClocks { schedule.fail("\(id) vanished from under its reader: \(error)") }
        }
    }

    private func pruner(_ own: Vault, _ clock: ManualClock) -> Pruner {
        // Seen from elsewhere, only silence tells who is dead, and clocks decide what silence is.
        let elsewhere = ProcessIdentity(
            host: "elsewhere",
            boot: "",
            namespace: "",
            process: 1,
            ticks: 0
        )
        return Pruner(own, Backup.system, clock: clock, observer: elsewhere)
    }

    private static func files(changing number: Int, from word: Int) -> [String: [UInt8]] {
        var files: [String: [UInt8]] = [:]
        for file in 0..<3 {
            let fill = UInt8(truncatingIfNeeded: file == number ? word &+ 1 : 0)
            files["f\(file)"] = [UInt8](repeating: fill &+ 1, count: 8192)
        }
        return files
    }

    // MARK: - The promise

    private func visible() throws -> [PointID] {
        let gone = Set(
            store.names.filter { $0.text.hasPrefix(VaultNames.gonePrefix(Backup.system)) }
                .map(\.lastSegment)
        )
        return try store.names.compactMap { name in
            guard name.text.hasPrefix(VaultNames.rootPrefix(Backup.system)),
                !gone.contains(name.lastSegment), try packs(name) != nil
            else { return nil }
            return PointID(name.lastSegment)
        }
    }

    /// The packs a root needs; nil for a tombstone.
    private func packs(_ name: ObjectName) throws -> [(ObjectName, UInt64)]? {
        guard let bytes = store.peek(name), let id = PointID(name.lastSegment) else { return nil }
        if let known = state.read({ $0.roots[name] }), known.bytes == bytes {
            return known.packs.isEmpty ? nil : known.packs
        }
        var packs: [(ObjectName, UInt64)] = []
        let kind = try Sealed.decode(
            vault,
            name,
            kinds: [.root, .tombstone],
            system: Backup.system,
            bytes: bytes
        ).kind
        if kind == .root, store.peek(VaultNames.gone(Backup.system, id)) == nil {
            packs = try PointReader(vault, Backup.system, id).root.packs.map {
                (VaultNames.pack(Backup.system, $0.info.id), $0.info.size)
            }
        }
        state.change { [packs] in $0.roots[name] = (bytes, packs) }
        return packs.isEmpty ? nil : packs
    }

    /// Every visible point's packs are there. Objects are written once, so that what is there and
    /// decodes at the end has decoded all the time.
    private func verify() {
        do {
            for id in try visible() {
                let name = VaultNames.root(Backup.system, id)
                for (pack, size) in try packs(name) ?? []
                where store.peek(pack)?.count != Int(size) {
                    return schedule.fail("\(id) lost \(pack)")
                }
            }
        } catch {
            schedule.fail("\(error)")
        }
    }

    /// All visible points read as they were written, and one more run leaves nothing over.
    private func verifyEnd() throws {
        let clock = ManualClock()
        clock.set(clock.now.adding(seconds: 31_557_600 * 21))
        let kept = Set(try visible())
        _ = try pruner(vault, clock).prune()
        guard Set(try visible()) == kept else { return schedule.fail("pruning changed what is") }
        var needed: Set<ObjectName> = []
        for id in kept {
            let root = VaultNames.root(Backup.system, id)
            needed.formUnion(try packs(root)?.map(\.0) ?? [])
            if try Backup.read(vault, id).files != state.read({ $0.files[id] }) {
                schedule.fail("\(id) does not read as it was written")
            }
        }
        for name in store.names {
            switch ObjectPlace(name) {
            case .pack where !needed.contains(name): schedule.fail("garbage stays: \(name)")
            case .lease: schedule.fail("a lease stays: \(name)")
            default: break
            }
        }
    }
}

/// The shared store for opening a vault and reading packs, the scheduled one for all else.
private final class SeenStore: ObjectStore {
    private let base: MemoryStore
    private let scheduled: ScheduledStore

    init(_ base: MemoryStore, _ scheduled: ScheduledStore) {
        self.base = base
        self.scheduled = scheduled
    }

    private func isQuiet(_ name: String) -> Bool { !name.hasPrefix("c/") }

    var location: String { base.location }
    func put(_ name: ObjectName, _ bytes: [UInt8]) throws { try scheduled.put(name, bytes) }
    func putIfAbsent(_ name: ObjectName, _ bytes: [UInt8]) throws -> Bool {
        try scheduled.putIfAbsent(name, bytes)
    }
    func get(_ name: ObjectName) throws -> [UInt8] {
        try isQuiet(name.text) ? base.get(name) : scheduled.get(name)
    }
    func get(
        _ name: ObjectName,
        range: Range<UInt64>,
        into output: UnsafeMutableRawBufferPointer
    ) throws { try scheduled.get(name, range: range, into: output) }
    func head(_ name: ObjectName) throws -> ObjectInfo? {
        try isQuiet(name.text) ? base.head(name) : scheduled.head(name)
    }
    func list(prefix: String) throws -> [ObjectInfo] {
        try isQuiet(prefix) ? base.list(prefix: prefix) : scheduled.list(prefix: prefix)
    }
    func delete(_ name: ObjectName) throws { try scheduled.delete(name) }
    func create(_ name: ObjectName, visible: Bool) throws -> any ObjectWriter {
        try scheduled.create(name, visible: visible)
    }
    func space() throws -> StoreSpace? { try base.space() }
}
