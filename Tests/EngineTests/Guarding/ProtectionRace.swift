import Domain
import Engine
import Logging
import Platform
import Storage
import TestSupport
import Vaulting

/// Hosts that let points go, and one that protects them at the same moment, each a thread, in an
/// order the seed decides. Some die between two calls of the store.
///
/// Whoever protects is told when it is done; what is protected and visible at that moment must
/// stay.
final class ProtectionRace: Sendable {
    /// How something is protected.
    enum Protection: String, CaseIterable, Sendable {
        /// A hold on a point that has expired.
        case point
        /// A hold on moments such a point lies in.
        case moments
        /// No point goes before its time: not by an operator's hand.
        case immutability
        /// The same for one instance.
        case lock
        /// More points are kept in any case.
        case policy
        /// Nothing expires any more.
        case stop
        /// A hold on a point of an instance whose time in the trash is over.
        case trash
    }

    /// Which host does without the gate, as if the code did.
    enum Mutant: CaseIterable, Sendable {
        case careless
        case unheard
    }

    /// A vault with four points: two have expired, one an operator may delete, one is the newest.
    struct Origin: Sendable {
        var objects: [ObjectName: [UInt8]] = [:]
        var points: [PointID] = []
        let now: Timestamp

        init(inTrash: Bool) throws {
            let main = try LifecycleFixture(points: 0)
            let begin = main.clock.now
            let days: [(made: Int64, kept: Int64)] = [(1, 7), (10, 7), (20, 90), (29, 7)]
            for (number, day) in days.enumerated() {
                main.clock.set(begin.adding(seconds: day.made * 86400))
                let point = try main.instance.backUp(after: nil) { point in
                    point.trigger = .scheduled
                    point.consistentAt = main.clock.now
                    point.startLSN = LSN(UInt64(number + 2) << 24 + 0x28)
                    point.stopLSN = LSN(UInt64(number + 2) << 24 + 0x100)
                    point.expiresAt = main.clock.now.adding(seconds: day.kept * 86400)
                }
                points.append(point.id)
            }
            if inTrash {
                try main.delete()
                main.advance(days: 15)
            } else {
                main.advance(days: 1)
            }
            now = main.clock.now
            for name in main.instance.store.names { objects[name] = main.instance.store.peek(name) }
        }
    }

    private struct State {
        var protected: Set<PointID>?
        var refusal: PgkeepError?
        var isDeleted = false
        var failures: [String] = []
    }

    private let origin: Origin
    private let protection: Protection
    private let mutant: Mutant?
    private let store = MemoryStore()
    private let schedule: Schedule
    private let seed: UInt64
    private let state = Condition(State())

    init(_ origin: Origin, _ protection: Protection, seed: UInt64, mutant: Mutant? = nil) {
        self.origin = origin
        self.protection = protection
        self.mutant = mutant
        self.seed = seed
        for (name, bytes) in origin.objects { store.overwrite(name, with: bytes) }
        var random = SeededRandom(seed: seed ^ 0x1e77_1260)
        let dies = Int.random(in: 0..<3, using: &random) == 0
        schedule = Schedule(
            seed: seed,
            actors: 3,
            chances: Schedule.Chances(crash: dies ? 80 : 0)
        )
    }

    /// Runs all hosts to their ends; what went wrong, if anything.
    func run() throws -> String? {
        let roles: [@Sendable (JobContext) throws -> Void] = [prune, letGo, protect]
        let threads = roles.enumerated().map { number, role in
            Thread<Void>("host-\(number)") { [self] in
                defer { schedule.finish(number) }
                let isCareless = mutant == .careless && number < 2
                let isUnheard = mutant == .unheard && number == 2
                let own = HostStore(
                    store,
                    schedule,
                    host: number,
                    apart: isCareless || isUnheard ? "r/letting-go/" : nil
                )
                do {
                    own.enter()
                    try role(context(own))
                } catch is Schedule.Crashed {
                    // It is no more.
                } catch {
                    guard !schedule.isCrashed(number) else { return }
                    state.change { $0.failures.append("host \(number): \(error)") }
                }
            }
        }
        schedule.waitForEnd()
        for thread in threads { try thread.join() }
        let wrong = try state.read { $0.failures } + judge()
        return wrong.isEmpty
            ? nil
            : "\(protection), seed \(seed): \(wrong.joined(separator: "; "))\n\(schedule.trace)"
    }

    private func context(_ store: any ObjectStore) throws -> JobContext {
        JobContext(
            vault: try Vault.open(store: store, keySource: SyntheticInstance.key),
            clock: ManualClock(origin.now),
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
    }

    private func visible() throws -> Set<PointID> {
        Set(try PointStore.list(context(store).vault, SyntheticInstance.system).map(\.id))
    }

    // MARK: - The hosts

    private func prune(_ context: JobContext) throws {
        let report = try PruneJob(context: context).run()
        if let error = report.error { throw error }
    }

    /// An operator, who deletes a point; or a second pruner.
    private func letGo(_ context: JobContext) throws {
        guard protection == .lock || protection == .immutability || seed % 2 == 0,
            protection != .trash
        else { return try prune(context) }
        let record = try Instances.find(context, InstanceName(checking: "main"))
        do {
            _ = try PointDeletion(
                context: context,
                instance: record,
                point: "\(origin.points[2])",
                isAutomatic: true
            ).run()
            state.change { $0.isDeleted = true }
        } catch let error as PgkeepError where error.code == .refused {}
    }

    private func protect(_ context: JobContext) throws {
        let name = try InstanceName(checking: "main")
        let ids = origin.points
        var kept: Set<PointID>
        do {
            let record = try Instances.findAny(context, name)
            switch protection {
            case .point, .trash:
                _ = try Holds.add(context, record, .point(ids[1]), title: "held")
                kept = [ids[1]]
                // It must be there: that is what the answer says.
                state.change { $0.protected = kept }
                return
            case .moments:
                let from = origin.now.adding(seconds: -25 * 86400)
                let to = origin.now.adding(seconds: -15 * 86400)
                _ = try Holds.add(context, record, .moments(from: from, to: to), title: "held")
                kept = [ids[1]]
            case .immutability:
                try Immutability.set(context, .enabled)
                kept = [ids[2]]
            case .lock:
                try LockInstance(context: context, name: name, level: .delete).run()
                kept = [ids[2]]
            case .policy:
                _ = try PolicyChange(context, policy: .standard) { $0.minRedundancy = 4 }
                    .apply(token: nil)
                // An operator's deletion is no matter of the policy.
                kept = [ids[0], ids[1]]
            case .stop:
                _ = try StopInstance(context: context, name: name, retention: .forever).run()
                kept = [ids[0], ids[1]]
            }
        } catch let error as PgkeepError where [.notFound, .refused].contains(error.code) {
            state.change { $0.refusal = error }
            return
        }
        kept.formIntersection(try visible())
        state.change { $0.protected = kept }
    }

    // MARK: - The judgement

    private func judge() throws -> [String] {
        var wrong: [String] = []
        let context = try context(store)
        let before = state.read { $0 }
        try prune(context)
        let left = try visible()
        if let lost = before.protected?.subtracting(left), !lost.isEmpty {
            wrong.append("lost, although protected: \(lost)")
        }
        let holds = try Holds.list(context)
        if before.refusal != nil, !holds.isEmpty { wrong.append("refused, and on record") }
        if before.isDeleted, left.contains(origin.points[2]) { wrong.append("deleted, and there") }
        let isOver = schedule.isCrashed(2) || before.refusal != nil
        if isOver, holds.isEmpty, [.point, .moments].contains(protection),
            !left.isDisjoint(with: origin.points.prefix(2))
        {
            wrong.append("nobody protects what has expired, and it stays")
        }
        let damage = try VaultCheck(context.vault, level: .seal).run().damage.filter {
            switch ObjectPlace($0.object) {
            case .root(_, let id): left.contains(id)
            case .pack: true
            // Made-up points have no WAL.
            default: false
            }
        }
        if !damage.isEmpty { wrong.append("damage: \(damage)") }
        return wrong
    }
}
