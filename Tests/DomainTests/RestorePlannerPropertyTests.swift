import Domain
import TestSupport
import Testing

/// Plans for random histories, judged by a recovery that replays record by record.
struct RestorePlannerPropertyTests {
    private struct Trial {
        let archive: SimulatedArchive
        let timeline: TimelineID
        let target: RecoveryTarget
        let inclusive: Bool
        let plan: RestorePlan

        var truth: [SimulatedRecord] { archive.cluster.records[timeline] ?? [] }
        var history: TimelineHistory { archive.cluster.histories[timeline] ?? .root(timeline) }
        var points: [RecoveryPoint] {
            archive.cluster.points
                .filter { $0.state == .completed && history.contains($0.timeline, at: $0.stopLSN) }
                .sorted { ($0.stopLSN, $0.id) > ($1.stopLSN, $1.id) }
        }
        /// As PostgreSQL does it.
        var recovery: SimulatedRecovery { SimulatedRecovery(archive: archive) }
        /// As it would be right.
        var faithful: SimulatedRecovery {
            SimulatedRecovery(archive: archive, isFaithful: true)
        }
    }

    /// Where the random numbers come from: the same in every run, or others each time.
    enum Source: CaseIterable {
        case fixed, fresh

        func random(_ round: Int) -> SeededRandom {
            switch self {
            case .fixed: SeededRandom(seed: UInt64(round))
            case .fresh: SeededRandom(stream: "planner \(round)")
            }
        }
    }

    @Test(arguments: Source.allCases)
    func `every plan is what PostgreSQL would do`(_ source: Source) throws {
        var reached: [String: Int] = [:]
        var refused: [String: Int] = [:]
        for round in 0..<150 {
            var random = source.random(round)
            let cluster = RandomHistory.cluster(&random, promotions: round % 3)
            let archive = RandomHistory.archive(cluster, &random)
            let planner = archive.planner
            for _ in 0..<24 {
                let timeline = archive.cluster.timeline
                let (target, inclusive) = RandomHistory.target(archive, on: timeline, &random)
                let plan = try planner.plan(RecoveryTargetSpec(target, inclusive: inclusive))
                guard !archive.cluster.points.isEmpty, !archive.held.isEmpty else { continue }
                let trial = Trial(
                    archive: archive,
                    timeline: ownTimeline(of: target, archive),
                    target: target,
                    inclusive: inclusive,
                    plan: plan
                )
                let comment: Comment =
                    "\(source) round \(round): \(target) \(inclusive) \(plan.reason)"
                if plan.isReachable {
                    reached[target.kind, default: 0] += 1
                    checkReached(trial, comment)
                } else {
                    refused[target.kind, default: 0] += 1
                    checkRefused(trial, comment)
                }
            }
        }
        for kind in ["time", "lsn", "xid", "name", "point", "latest"] {
            #expect(reached[kind, default: 0] > 30, "too few \(kind) targets reached to mean much")
        }
        for kind in ["time", "lsn", "xid", "name"] {
            #expect(refused[kind, default: 0] > 5, "too few \(kind) targets refused to mean much")
        }
    }

    /// The timeline meant when none is named: the newest, or the one a single backup is on.
    private func ownTimeline(of target: RecoveryTarget, _ archive: SimulatedArchive) -> TimelineID {
        if case .immediate(let id) = target {
            return archive.cluster.points.first { $0.id == id }?.timeline ?? 1
        }
        let named = archive.held.keys.map(\.timeline) + archive.cluster.points.map(\.timeline)
        return named.max() ?? 1
    }

    private func checkReached(_ trial: Trial, _ comment: Comment) {
        let plan = trial.plan
        guard let point = plan.point, let outcome = trial.recovery.run(plan) else {
            Issue.record("recovery refuses the plan; \(comment)")
            return
        }
        var frugal = trial.recovery
        if !plan.settings.isEmpty {
            frugal.allowed = Set(plan.segments)
            #expect(frugal.run(plan) == outcome, "the segments listed must do; \(comment)")
        }
        let end = outcome.end
        let last = trial.archive.cluster.records[plan.timeline ?? 1, default: []].last {
            guard case .commit = $0.kind else { return false }
            return $0.start >= point.stopLSN && $0.end <= end
        }
        let isBetweenRecords =
            if case .lsn(let position) = trial.target, trial.inclusive {
                !trial.truth.contains { $0.start == position }
            } else {
                false
            }
        if !isBetweenRecords {
            let expected = last?.transactionEnd?.time ?? point.consistentAt
            #expect(plan.effectiveTime == expected, comment)
        }
        // Between two records there may be a page header, which belongs to neither.
        if case .lsn = trial.target {
        } else {
            let next = SimulatedInstance.recordStart(after: end)
            #expect(plan.effectiveLSN == end || plan.effectiveLSN == next, comment)
        }
        checkMeaning(trial, end: end, point: point, comment)
        checkChoice(trial, point, comment)
    }

    /// The place where recovery ends is the one the target means, judged by the whole truth.
    private func checkMeaning(
        _ trial: Trial,
        end: LSN,
        point: RecoveryPoint,
        _ comment: Comment
    ) {
        switch trial.target {
        case .latest:
            #expect(trial.faithful.run(point, trial.timeline, .none)?.end == end, comment)
        case .immediate: #expect(end == point.stopLSN, comment)
        case .time(let time):
            let ends = trial.truth.compactMap(\.transactionEnd).filter {
                $0.start >= point.startLSN
            }
            let stop = ends.first { trial.inclusive ? $0.time > time : $0.time >= time }
            let archived = ends.filter { $0.end <= end }.map(\.time).max() ?? point.consistentAt
            // At the last archived time itself a straggler may yet come: PostgreSQL's order of WAL
            // is not that of times.
            if time == archived, stop.map({ $0.start >= end }) ?? true { return }
            #expect(
                !ends.contains { $0.start >= end && $0.end <= stop?.start ?? LSN(.max) },
                comment
            )
            #expect(end <= stop?.start ?? LSN(.max), comment)
        case .lsn(let position):
            let next = trial.truth.first { $0.start >= position }
            if SimulatedInstance.recordStart(after: end) == next?.start
                || next == nil && end == trial.truth.last?.end
            {
                return
            }
            #expect(trial.inclusive && end == next?.end, comment)
        case .xid(let xid):
            let record = trial.truth.last { $0.transactionEnd?.xid == xid }
            let expected =
                trial.inclusive
                ? record?.end : trial.truth.last { $0.end <= record?.start ?? .zero }?.end
            // Before the record is behind the one before it; a page header may lie between.
            #expect(
                end == expected || !trial.inclusive && end == record?.start,
                comment
            )
        case .name(let name):
            #expect(end == archivedMarks(name, trial).last?.end, comment)
        }
    }

    /// The point is the newest one PostgreSQL could have used.
    private func checkChoice(_ trial: Trial, _ chosen: RecoveryPoint, _ comment: Comment) {
        guard let target = rawTarget(trial) else { return }
        let able = trial.points.first {
            mayServe($0, trial) && trial.faithful.run($0, trial.timeline, target) != nil
        }
        if let able { #expect(able.id == chosen.id, comment) }
    }

    private func checkRefused(_ trial: Trial, _ comment: Comment) {
        #expect(trial.plan.error?.code.exit == .outsideWindow, comment)
        if let target = rawTarget(trial) {
            for point in trial.points where mayServe(point, trial) {
                #expect(
                    trial.faithful.run(point, trial.timeline, target) == nil,
                    "\(point.stopLSN) would do; \(comment)"
                )
            }
        }
        // What replaying everything would have met must not be refused either.
        for point in trial.points {
            guard let all = trial.faithful.run(point, trial.timeline, .none) else { continue }
            switch trial.target {
            case .latest: Issue.record("latest refused; \(comment)")
            case .time(let time) where point.consistentAt <= time:
                let ends = all.replayed.compactMap(\.transactionEnd)
                #expect(time > ends.map(\.time).max() ?? point.consistentAt, comment)
                let proofs = trial.archive.cluster.evidence.filter {
                    trial.history.contains($0.timeline, at: $0.lsn)
                        && $0.lsn >= point.startLSN && $0.lsn <= all.end
                }
                #expect(!proofs.contains { $0.time >= time }, comment)
            case .lsn(let position) where point.stopLSN <= position:
                #expect(position > all.end, comment)
            case .name(let name):
                if let mark = archivedMarks(name, trial).last, point.stopLSN < mark.end {
                    #expect(all.end < mark.end, comment)
                }
            default: break
            }
        }
    }

    /// The target as the operator gave it, put to PostgreSQL as it stands.
    private func rawTarget(_ trial: Trial) -> SimulatedRecovery.Target? {
        switch trial.target {
        case .latest: SimulatedRecovery.Target.none
        case .immediate: .immediate
        case .time(let time): .time(time, inclusive: trial.inclusive)
        case .lsn(let position): .lsn(position, inclusive: trial.inclusive)
        case .xid(let xid): .xid(xid, inclusive: trial.inclusive)
        case .name: nil
        }
    }

    private func mayServe(_ point: RecoveryPoint, _ trial: Trial) -> Bool {
        switch trial.target {
        case .time(let time): point.consistentAt <= time
        case .lsn(let position): point.stopLSN <= position
        case .immediate(let id): point.id == id
        case .latest, .xid, .name: true
        }
    }

    private func archivedMarks(_ name: String, _ trial: Trial) -> [SimulatedRecord] {
        trial.truth.filter { record in
            guard case .mark(name, _) = record.kind else { return false }
            // The newest timeline of the history that has the segment tells what is in it.
            let size = SimulatedInstance.size
            var owners = trial.history.forks.map { ($0.timeline, $0.end as LSN?) }
            owners.append((trial.timeline, nil))
            var begin = LSN.zero
            var file: WALSegment?
            for (timeline, end) in owners {
                let segment = WALSegment(timeline: timeline, endingAt: record.end, size: size)
                if segment.number >= begin.rawValue / size.bytes,
                    end.map({ segment.start < $0 }) ?? true,
                    trial.archive.held[segment] != nil
                {
                    file = segment
                }
                begin = end ?? begin
            }
            return file.map { trial.archive.records(in: $0).contains(record) } ?? false
        }
    }
}
