import Domain
import Engine
import Logging
import Platform
import Storage
import TestSupport
import Vaulting

/// Hosts with the same cron lines against one vault, each a thread, in an order the seed decides.
final class CronHosts: Sendable {
    private static let system = SyntheticInstance.system

    /// A vault with an instance whose last backup is a day old: what every run begins with.
    struct Origin: Sendable {
        var objects: [ObjectName: [UInt8]] = [:]
        let start: Timestamp

        init() throws {
            let clock = ManualClock()
            start = clock.now
            let store = MemoryStore()
            let vault = try Vault.create(store: store, keySource: SyntheticInstance.key)
            let record = try InstanceRecord(
                name: InstanceName(checking: "main"),
                systemIdentifier: CronHosts.system,
                source: "host=nowhere.invalid",
                slot: nil,
                serverVersion: ServerVersion(number: 180_000),
                segmentSize: .standard,
                createdAt: clock.now
            )
            try vault.instances(clock: clock).create("main", record)
            let entry = try DueBackups(
                context: CronHosts.context(vault, clock),
                options: DueOptions(),
                actions: CronHosts.actions
            ).run(record)
            guard entry.outcome == .completed else {
                throw PgkeepError(.unexpected, "no first backup: \(entry)")
            }
            for name in store.names { objects[name] = store.peek(name) }
        }
    }

    private struct State {
        var entries: [DueEntry] = []
        var labels: Set<String> = []
        var failures: [String] = []
    }

    private let store = MemoryStore()
    private let schedule: Schedule
    private let seed: UInt64
    private let hosts: Int
    private let start: Timestamp
    private let losesAnswers: Bool
    private let state = Condition(State())

    init(_ origin: Origin, seed: UInt64) {
        var random = SeededRandom(seed: seed ^ 0x5a5a_a5a5)
        self.seed = seed
        start = origin.start
        for (name, bytes) in origin.objects { store.overwrite(name, with: bytes) }
        hosts = Int.random(in: 0..<4, using: &random) == 0 ? 3 : 2
        losesAnswers = Int.random(in: 0..<4, using: &random) == 0
        schedule = Schedule(
            seed: seed,
            actors: hosts,
            chances: Schedule.Chances(lostAnswer: losesAnswers ? 40 : 0)
        )
    }

    /// Runs all hosts to their ends; what went wrong, if anything.
    func run() throws -> String? {
        let threads = (0..<hosts).map { host in
            Thread<Void>("host-\(host)") { [self] in
                defer { schedule.finish(host) }
                do {
                    try cron(host)
                } catch let error as PgkeepError {
                    // What a host could not hear the answer to it may report as failed.
                    if !losesAnswers { state.change { $0.failures.append("\(host): \(error)") } }
                }
            }
        }
        schedule.waitForEnd()
        for thread in threads { try thread.join() }
        let wrong = try state.read { $0.failures } + judge()
        return wrong.isEmpty
            ? nil : "seed \(seed): \(wrong.joined(separator: "; "))\n\(schedule.trace)"
    }

    // MARK: - A host

    private func cron(_ host: Int) throws {
        var random = SeededRandom(seed: seed &+ UInt64(host) &* 7919)
        let clock = ManualClock()
        // A day and an hour later; no two clocks agree to the second.
        clock.set(start.adding(seconds: 90_000 + Int64.random(in: -20...20, using: &random)))
        let own = HostStore(store, schedule, host: host)
        own.enter()
        let vault = try Vault.open(store: own, keySource: SyntheticInstance.key)
        let context = Self.context(vault, clock)
        for tick in 0..<2 {
            let entries = try DueBackups(
                context: context,
                options: DueOptions(),
                actions: Self.actions
            ).run()
            state.change { $0.entries += entries }
            // Records are shared, too: no change of one host is lost to another's.
            let label = "host-\(host)-\(tick)"
            try vault.instances(clock: clock).change("main") { $0.labels[label] = "set" }
            state.change { _ = $0.labels.insert(label) }
            clock.advance(seconds: 300)
        }
    }

    private static func context(_ vault: Vault, _ clock: ManualClock) -> JobContext {
        JobContext(
            vault: vault,
            clock: clock,
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            pace: .none
        )
    }

    /// A server that always has something new, and a backup that goes the way of a real one.
    private static let actions = DueBackups.Actions(
        look: { _, _, _ in .ready },
        backUp: { context, record, options, queued in
            try Job.run(
                context,
                kind: .backup,
                instance: record.name,
                trigger: options.trigger.rawValue,
                queued: queued
            ) { job in
                let point = try takeBackup(context, record, options)
                job.setPoint(point.id)
                return BackupResult(point: point, warnings: [])
            }
        }
    )

    private static func takeBackup(
        _ context: JobContext,
        _ record: InstanceRecord,
        _ options: BackupOptions
    ) throws -> RecoveryPoint {
        let begun = context.clock.now
        let session = try BackupSession.begin(
            context.vault,
            record.systemIdentifier,
            parent: nil,
            clock: context.clock
        )
        do {
            let claim = try Claim.acquire(.backup, lease: session.lease, token: context.token)
            defer { try? claim.release() }
            let outcome = try SyntheticStream.take(
                [Array("base/5/1".utf8): TarMaker.File(size: 8192, pages: [:])],
                into: session,
                workers: 1
            )
            var point = try SyntheticStream.point(session.id)
            point.startedAt = begun
            point.trigger = options.trigger
            return try session.commit(
                point,
                catalog: outcome.catalog,
                attachments: outcome.attachments
            )
        } catch {
            session.abandon()
            throw error
        }
    }

    // MARK: - The judgement

    private func judge() throws -> [String] {
        var wrong: [String] = []
        func expect(_ condition: Bool, _ what: @autoclosure () -> String) {
            if !condition { wrong.append(what()) }
        }
        let clock = ManualClock(start.adding(seconds: 90_600))
        let vault = try Vault.open(store: store, keySource: SyntheticInstance.key)
        let context = Self.context(vault, clock)
        let record = try Instances.find(context, InstanceName(checking: "main"))
        let new = try Points.list(context, record).points.filter { $0.trigger == .scheduled }
        let jobs = try Jobs.list(context, kinds: [.backup]).filter { $0.trigger == "scheduled" }
        let (entries, labels) = state.read { ($0.entries, $0.labels) }
        expect(new.count <= 1, "\(new.count) points for one slot")
        let lost = labels.subtracting(record.labels.keys)
        expect(lost.isEmpty, "lost: \(lost)")
        if !losesAnswers {
            let done = entries.filter { $0.outcome == .completed }
            expect(new.count == 1, "no point")
            expect(done.map { $0.point?.id } == new.map(\.id), "told \(done.count) times")
            let others = Set(entries.map(\.outcome)).subtracting([.completed, .busy, .notDue])
            expect(others.isEmpty, "outcomes \(others)")
            expect(jobs.map(\.state) == [.completed], "jobs \(jobs.map(\.state))")
            let left = try store.list(prefix: VaultNames.leasePrefix(Self.system)).map(\.name)
            expect(left.isEmpty, "left over: \(left)")
        }
        // Whatever happened, the next day is served.
        clock.advance(seconds: 86_400)
        let next = try DueBackups(
            context: Self.context(vault, clock),
            options: DueOptions(),
            actions: Self.actions
        ).run(record)
        expect(next.outcome == .completed, "the next day: \(next.outcome)")
        return wrong
    }
}
