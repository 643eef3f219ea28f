import Domain
import Engine
import Platform
import Storage
import TestSupport
import Vaulting

/// Hosts with the same cron lines against one vault, each a thread, in an order the seed decides.
///
/// In some runs answers get lost, in some hosts die between two calls of the store. Then two hosts
/// that come later, once the silence has been long enough, take over beside each other what the
/// dead had begun. No two clocks agree, the store's least of all.
final class CronHosts: Sendable {
    /// A vault with an instance whose last backup is a day old: what every run begins with.
    struct Origin: Sendable {
        var objects: [ObjectName: [UInt8]] = [:]
        let start: Timestamp

        init() throws {
            let clock = ManualClock()
            start = clock.now
            let store = MemoryStore()
            let vault = try Vault.create(store: store, keySource: SyntheticInstance.key)
            let lines = CronLines(vault, clock)
            _ = try PolicyChange(lines.context, policy: .standard) { $0.drillDays = 1 }
                .apply(token: nil)
            let record = try InstanceRecord(
                name: InstanceName(checking: "main"),
                systemIdentifier: CronLines.system,
                source: "host=nowhere.invalid",
                slot: nil,
                serverVersion: ServerVersion(number: 180_000),
                segmentSize: .standard,
                createdAt: clock.now
            )
            try vault.instances(clock: clock).create("main", record)
            let entries = try lines.backUp()
            guard entries.map(\.outcome) == [.completed] else {
                throw PgkeepError(.unexpected, "no first backup: \(entries)")
            }
            for name in store.names { objects[name] = store.peek(name) }
        }
    }

    /// What hosts say of what they have done.
    struct Told: Sendable {
        var backups: [DueEntry] = []
        var drills: [DueDrill] = []
        /// How it went the first time the lines were run.
        var firstBackups: [DueEntry.Outcome] = []
        var firstDrills: [DueDrill.Outcome] = []
        var labels: Set<String> = []
        var failures: [String] = []
    }

    /// What a run came to, and which troubles it had.
    struct Finding: Sendable {
        var wrong: String?
        var someoneDied = false
        var answerWasLost = false
        /// A dead host had the role, and one that came later did the work in its place.
        var backupTakenOver = false
        var drillTakenOver = false
    }

    /// Hosts that run their lines a number of times beside each other.
    private struct Shift {
        let name: String
        let schedule: Schedule
        let hosts: Int
        /// Seconds from the start to the first time, and from each to the next.
        let begin: Int64
        let times: Int
        let pause: Int64
        let losesAnswers: Bool
    }

    private let time: ManualClock
    private let store: MemoryStore
    private let seed: UInt64
    private let start: Timestamp
    private let early: Shift
    private let apart: String?

    /// - Parameter apart: what every host has for itself instead of sharing it (`HostStore`).
    init(_ origin: Origin, seed: UInt64, apart: String? = nil) {
        var random = SeededRandom(seed: seed ^ 0x5a5a_a5a5)
        self.seed = seed
        self.apart = apart
        start = origin.start
        time = ManualClock(origin.start)
        let ahead = Int64.random(in: -1000...1000, using: &random)
        store = MemoryStore(clock: SkewedClock(time: time, ahead: ahead))
        for (name, bytes) in origin.objects { store.overwrite(name, with: bytes) }
        let hosts = Int.random(in: 0..<4, using: &random) == 0 ? 3 : 2
        let trouble = Int.random(in: 0..<8, using: &random)
        let losesAnswers = trouble == 0 || trouble == 1
        let dies = trouble == 1 || trouble == 2 || trouble == 3
        let chances = Schedule.Chances(
            crash: dies ? 120 : 0,
            lostAnswer: losesAnswers ? 20 : 0
        )
        early = Shift(
            name: "host",
            schedule: Schedule(seed: seed, actors: hosts, chances: chances),
            hosts: hosts,
            // A day and an hour: one slot.
            begin: 90_000,
            times: 2,
            pause: 300,
            losesAnswers: losesAnswers
        )
    }

    /// Runs all hosts to their ends, and those that come later.
    func run() throws -> Finding {
        let told = try play(early)
        let schedule = early.schedule
        var finding = Finding()
        finding.someoneDied = (0..<early.hosts).contains { schedule.isCrashed($0) }
        finding.answerWasLost = schedule.trace.contains("loses the answer")
        let isCalm = !finding.someoneDied && !finding.answerWasLost
        let lines = try CronLines(store, SkewedClock(time: time, ahead: 0))
        // A lease whose end was not heard of is nobody's either.
        if !isCalm { try Estrangement.run(lines.context.vault, CronLines.system) }
        // Hardly longer than silence must be, were all clocks to agree.
        time.set(time.now.adding(seconds: 170))
        var judgement = CronJudgement(lines)
        try judgement.judge(told, isCalm: isCalm)
        let left = try (lines.holds(.due), lines.holds(.drill))

        let late = Shift(
            name: "late",
            schedule: Schedule(seed: ~seed, actors: 2, chances: Schedule.Chances()),
            hosts: 2,
            begin: Int64(time.now.seconds(since: start)),
            times: 3,
            // A try that failed is tried again by and by.
            pause: 3600,
            losesAnswers: false
        )
        let toldLate = try play(late)
        try judgement.judgeTakeover(toldLate, after: told)
        finding.backupTakenOver = left.0 && toldLate.backups.contains { $0.outcome == .completed }
        finding.drillTakenOver = left.1 && toldLate.drills.contains { $0.outcome == .sound }
        // A day by every clock.
        time.set(time.now.adding(seconds: 86_460))
        try judgement.judgeNextDay { time.set(time.now.adding(seconds: 7200)) }
        if !judgement.wrong.isEmpty {
            finding.wrong =
                "seed \(seed): \(judgement.wrong.joined(separator: "; "))\n\(schedule.trace)"
                + "\nlate:\n\(late.schedule.trace)"
        }
        return finding
    }

    private func play(_ shift: Shift) throws -> Told {
        // It is that late, too, for those that die before they have done anything.
        time.set(start.adding(seconds: shift.begin))
        let told = Condition(Told())
        let threads = (0..<shift.hosts).map { host in
            Thread<Void>("\(shift.name)-\(host)") { [self] in
                defer { shift.schedule.finish(host) }
                do {
                    try cron(host, shift, told)
                } catch let error as PgkeepError {
                    // What a host could not hear the answer to it may report as failed.
                    let isItsOwn = !shift.losesAnswers && !shift.schedule.isCrashed(host)
                    if isItsOwn { told.change { $0.failures.append("\(host): \(error)") } }
                } catch is Schedule.Crashed {
                    // It is no more.
                }
            }
        }
        shift.schedule.waitForEnd()
        for thread in threads { try thread.join() }
        return told.read { $0 }
    }

    private func cron(_ host: Int, _ shift: Shift, _ told: Condition<Told>) throws {
        var random = SeededRandom(seed: seed &+ UInt64(host) &* 7919)
        let clock = SkewedClock(time: time, ahead: Int64.random(in: -20...20, using: &random))
        let own = HostStore(store, shift.schedule, host: host, apart: apart)
        own.enter()
        let lines = try CronLines(own, clock)
        for number in 0..<shift.times {
            // Time goes on for those, too, that are still at what they began before.
            let begin = start.adding(seconds: shift.begin + Int64(number) * shift.pause)
            time.set(max(time.now, begin))
            let backups = try lines.backUp()
            told.change { told in
                told.backups += backups
                if number == 0 { told.firstBackups += backups.map(\.outcome) }
            }
            // Records are shared, too: no change of one host is lost to another's.
            let label = "\(shift.name)-\(host)-\(number)"
            try lines.context.vault.instances(clock: clock).change("main") {
                $0.labels[label] = "set"
            }
            told.change { _ = $0.labels.insert(label) }
            let drills = try lines.drill()
            told.change { told in
                told.drills += drills
                if number == 0 { told.firstDrills += drills.map(\.outcome) }
            }
            try lines.prune()
        }
    }
}

extension CronLines {
    /// True when somebody has the role, dead or alive.
    fileprivate func holds(_ role: Role) throws -> Bool {
        try Claim.holder(context.vault, Self.system, role) != nil
    }
}
