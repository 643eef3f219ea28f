import Domain
import Engine
import Platform
import Storage
import TestSupport
import Vaulting

/// Compares what is in the vault with what hosts say they have done, and with what they should.
struct CronJudgement {
    private let lines: CronLines
    private var context: JobContext { lines.context }
    private var servedBefore = false

    /// All that is not as it should be.
    private(set) var wrong: [String] = []

    init(_ lines: CronLines) { self.lines = lines }

    private mutating func expect(_ condition: Bool, _ what: @autoclosure () -> String) {
        if !condition { wrong.append(what()) }
    }

    private func scheduledPoints() throws -> [RecoveryPoint] {
        try Points.list(context, lines.instance()).points.filter { $0.trigger == .scheduled }
    }

    private func leases() throws -> [ObjectName] {
        try context.vault.store.list(prefix: VaultNames.leasePrefix(CronLines.system)).map(\.name)
    }

    /// After the hosts whose slot it is; `isCalm`: nobody died and no answer was lost.
    mutating func judge(_ told: CronHosts.Told, isCalm: Bool) throws {
        try judgeRecords([told])
        let points = try scheduledPoints()
        expect(points.count <= 1, "\(points.count) points for one slot")
        servedBefore = !points.isEmpty
        guard isCalm else { return }
        let done = told.backups.filter { $0.outcome == .completed }
        expect(points.count == 1, "no point")
        expect(done.map { $0.point?.id } == points.map(\.id), "told \(done.count) times")
        let others = Set(told.backups.map(\.outcome)).subtracting([.completed, .busy, .notDue])
        expect(others.isEmpty, "outcomes \(others)")
        let backups = try Jobs.list(context, kinds: [.backup]).filter { $0.trigger == "scheduled" }
        expect(backups.map(\.state) == [.completed], "jobs \(backups.map(\.state))")
        let sound = told.drills.filter { $0.outcome == .sound }
        let receipts = try Drills.list(context)
        expect(sound.map { $0.drill?.id } == receipts.map(\.id), "drilled \(sound.count) times")
        let otherDrills = Set(told.drills.map(\.outcome)).subtracting([.sound, .busy, .notDue])
        expect(otherDrills.isEmpty, "outcomes of drills \(otherDrills)")
        let drills = try Jobs.list(context, kinds: [.drill])
        expect(drills.map(\.state) == [.completed], "jobs of drills \(drills.map(\.state))")
        let left = try leases()
        expect(left.isEmpty, "left over: \(left)")
    }

    /// After those that came later: a slot nobody had served is served by one of them, and what
    /// the dead left is let go.
    mutating func judgeTakeover(_ told: CronHosts.Told, after before: CronHosts.Told) throws {
        try judgeRecords([before, told])
        let points = try scheduledPoints()
        expect(points.count == 1, "\(points.count) points after the takeover")
        let done = told.backups.filter { $0.outcome == .completed }
        expect(done.count == (servedBefore ? 0 : 1), "taken over \(done.count) times")
        let wanted: Set<DueEntry.Outcome> = [.completed, .busy, .notDue, .waiting]
        let others = Set(told.backups.map(\.outcome)).subtracting(wanted)
        expect(others.isEmpty, "outcomes of who takes over \(others)")
        // Of hosts that live, the one that keeps the others out is not kept out itself.
        let isFree = told.firstBackups.contains { $0 != .busy }
        expect(isFree, "the dead still keep their backup: \(told.firstBackups)")
        let isDrillFree = told.firstDrills.contains { $0 != .busy }
        expect(isDrillFree, "the dead still keep their drill: \(told.firstDrills)")
        let proof = try Drills.proven(context, CronLines.system).last
        expect(proof != nil, "never drilled")
        let left = try leases()
        expect(left.isEmpty, "leases for ever: \(left)")
    }

    /// A day later: whatever happened, one host finds everything due, and does it.
    mutating func judgeNextDay(_ passTime: () -> Void) throws {
        let backups = try lines.backUp()
        expect(backups.map(\.outcome) == [.completed], "the next day: \(backups)")
        let drills = try lines.drill()
        expect(drills.map(\.outcome) == [.sound], "the next drill: \(drills)")
        passTime()
        try lines.prune()
        let left = try leases()
        expect(left.isEmpty, "leases after a day: \(left)")
        let damage = try VaultCheck(context.vault, level: .seal).run().damage.filter {
            // Made-up points have no WAL.
            if case .wal = ObjectPlace($0.object) { false } else { true }
        }
        expect(damage.isEmpty, "damage: \(damage)")
    }

    /// No record is lost, no job runs for ever, and no drill is made twice unless one of them did
    /// not come to its end.
    private mutating func judgeRecords(_ told: [CronHosts.Told]) throws {
        wrong += told.last?.failures ?? []
        let labels = told.reduce(into: Set<String>()) { $0.formUnion($1.labels) }
        let lost = try labels.subtracting(lines.instance().labels.keys)
        expect(lost.isEmpty, "lost: \(lost)")
        let jobs = try Jobs.list(context)
        let unended = jobs.filter { !$0.state.isEnd }
        expect(unended.isEmpty, "jobs that never end: \(unended.map(\.id))")
        let cutOff = jobs.count { $0.kind == .drill && $0.state != .completed }
        let receipts = try Drills.list(context).count
        expect(receipts <= 1 + cutOff, "\(receipts) drills, \(cutOff) of them cut off")
    }
}
