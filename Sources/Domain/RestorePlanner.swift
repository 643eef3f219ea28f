/// Chooses the recovery point and the WAL for a target, or says why it cannot be met.
///
/// Pure: targets × points × WAL × timelines in, a plan out. The rules are PostgreSQL's own
/// (protocol.md §6.3), so a plan called reachable is one its recovery will not refuse.
public struct RestorePlanner {
    let instance: InstanceName
    let points: [RecoveryPoint]
    let wal: WALHoldings
    let timelines: TimelineTree
    let scanner: WALScanner
    let rates: RestoreRates

    /// A planner for one instance; `points` and `wal` are of one system identifier.
    public init(
        instance: InstanceName,
        points: [RecoveryPoint],
        wal: WALHoldings,
        timelines: TimelineTree,
        inspector: any WALInspector,
        rates: RestoreRates = .assumed
    ) {
        self.instance = instance
        self.points = points
        self.wal = wal
        self.timelines = timelines
        scanner = WALScanner(inspector)
        self.rates = rates
    }

    /// The plan for a target; throws only what the inspector throws.
    public func plan(_ spec: RecoveryTargetSpec) throws -> RestorePlan {
        let window = RecoveryWindow(points: points, wal: wal, timelines: timelines)
        var plan = RestorePlan(
            instance: instance,
            spec: spec,
            point: nil,
            isReachable: false,
            reason: "",
            window: window
        )
        let route: RestoreRoute
        switch self.route(for: spec) {
        case .failure(let obstacle):
            plan.reason = obstacle.reason
            plan.code = obstacle.code
            plan.lastReachableTime = window.latest
            plan.lastReachableLSN = window.intervals.last?.latestLSN
            return plan
        case .success(let found): route = found
        }
        plan.timeline = route.history.timeline
        switch try verdict(spec, on: route) {
        case .failure(let obstacle):
            plan.reason = obstacle.reason
            plan.code = obstacle.code
            try addNeighbours(of: spec.target, on: route, to: &plan)
        case .success(let stop):
            fill(&plan, with: stop, on: route)
        }
        return plan
    }

    /// The timeline to end on and the points that lie on its history.
    private func route(for spec: RecoveryTargetSpec) -> Result<RestoreRoute, RestoreObstacle> {
        guard points.contains(where: { $0.state == .completed }) else {
            return .failure(RestoreObstacle("there is no usable recovery point of \(instance) yet"))
        }
        let held = Set(wal.timelines + points.map(\.timeline))
        var timeline = held.max() ?? 1
        if case .immediate(let id) = spec.target {
            guard let point = points.first(where: { $0.id == id }) else {
                return .failure(
                    RestoreObstacle("there is no recovery point \(id) of \(instance)", .notFound)
                )
            }
            timeline = point.timeline
        }
        if let asked = spec.timeline {
            guard held.union(timelines.timelines).contains(asked) else {
                return .failure(RestoreObstacle("timeline \(asked) is not in the archive"))
            }
            timeline = asked
        }
        let history = timelines.history(of: timeline)
        return .success(
            RestoreRoute(
                path: WALPath(holdings: wal, history: history ?? .root(timeline)),
                isHistoryKnown: history != nil,
                points: points
            )
        )
    }

    private func verdict(
        _ spec: RecoveryTargetSpec,
        on route: RestoreRoute
    ) throws -> Result<RestoreStop, RestoreObstacle> {
        guard let candidate = route.candidates.first else {
            let missing = "no recovery point has the WAL it needs"
            return .failure(
                RestoreObstacle(
                    route.isHistoryKnown
                        ? "\(missing) on timeline \(route.history.timeline)"
                        : "\(missing), and the history of timeline \(route.history.timeline) "
                            + "is not in the archive"
                )
            )
        }
        switch spec.target {
        case .latest:
            return try stopAtLatest(candidate, on: route)
        case .immediate(let id): return stopAtPoint(id, on: route)
        case .time(let time): return try stop(at: time, spec.inclusive, on: route)
        case .lsn(let position): return try stop(at: position, spec.inclusive, on: route)
        case .xid(let xid): return try stop(atTransaction: xid, spec.inclusive, on: route)
        case .name(let name): return try stop(atRestorePoint: name, on: route)
        }
    }

    private func fill(_ plan: inout RestorePlan, with stop: RestoreStop, on route: RestoreRoute) {
        let point = stop.candidate.point
        let run = stop.candidate.run
        // A stop on an ancestor is met on the way to its descendant as well.
        let own = stop.timeline.flatMap { timelineSetting($0, for: point) }
        guard let timeline = own ?? timelineSetting(route.history.timeline, for: point) else {
            plan.reason =
                "the history file of timeline \(route.history.timeline) is not in the archive"
            return
        }
        let first = run.index(containing: point.startLSN) ?? 0
        let used = run.segments[first...max(first, stop.lastSegment)]
        plan.isReachable = true
        plan.reason = stop.reason
        plan.point = point
        plan.segments = used.map(\.segment)
        plan.effectiveLSN = stop.lsn
        plan.effectiveTime = stop.time
        plan.settings = stop.settings
        plan.targetTimeline = timeline
        plan.timeline = stop.timeline ?? route.history.timeline
        plan.floor = used.reduce(point.settings) { $0.raised(to: $1.summary.settings) }
        plan.createdTablespaces = used.flatMap { $0.summary.tablespaces ?? [] }
            .filter { point.startLSN <= $0.lsn && $0.lsn < run.end }
            .filter { isReplayed($0, plan.spec, stop) }
            .filter { $0.path.hasPrefix("/") }
        plan.baseBytes = point.logicalBytes
        plan.walBytes = stop.lsn > point.startLSN ? stop.lsn - point.startLSN : 0
        plan.eta = rates.estimate(base: plan.baseBytes, wal: plan.walBytes)
        plan.warnings = stop.warnings + warnings(for: plan, on: route)
    }

    /// Replay ends between records, but for a position to be included: then the first record that
    /// starts there or later is still replayed.
    private func isReplayed(
        _ tablespace: WALSummary.CreatedTablespace,
        _ spec: RecoveryTargetSpec,
        _ stop: RestoreStop
    ) -> Bool {
        if case .lsn = spec.target, spec.inclusive { return tablespace.previous < stop.lsn }
        return tablespace.lsn < stop.lsn
    }

    /// The value of `recovery_target_timeline`; nil when PostgreSQL would miss the history file.
    ///
    /// An explicit number keeps a stray history file from diverting recovery.
    private func timelineSetting(_ timeline: TimelineID, for point: RecoveryPoint) -> String? {
        if timelines.hasFile(timeline) { return String(timeline) }
        return point.timeline == timeline ? "current" : nil
    }

    private func warnings(for plan: RestorePlan, on route: RestoreRoute) -> [String] {
        guard let point = plan.point, let end = plan.effectiveLSN else { return [] }
        var warnings: [String] = []
        if !point.checksumFailures.isEmpty {
            warnings.append(
                "the source had \(point.checksumFailures.count) damaged pages when point "
                    + "\(point.id) was made"
            )
        }
        if case .immediate = plan.spec.target {
        } else {
            for other in points where other.stopLSN > point.stopLSN {
                guard route.history.contains(other.timeline, at: other.stopLSN),
                    plan.spec.target == .latest || other.stopLSN <= end
                else { continue }
                if other.state == .damaged {
                    warnings.append("the newer point \(other.id) is damaged and not used")
                } else if other.state == .completed, route.path.run(for: other) == nil {
                    warnings.append("the newer point \(other.id) lacks WAL and is not used")
                }
            }
        }
        for segment in plan.segments where wal.divergent.contains(segment) {
            warnings.append("segment \(segment) was archived with two contents; the first is used")
        }
        return warnings
    }

    private func addNeighbours(
        of target: RecoveryTarget,
        on route: RestoreRoute,
        to plan: inout RestorePlan
    ) throws {
        for candidate in route.candidates.reversed() {
            let point = candidate.point
            let isAfter =
                switch target {
                case .time(let time): point.consistentAt > time
                case .lsn(let position): point.stopLSN > position
                default: false
                }
            if isAfter {
                plan.nextReachableTime = min(
                    plan.nextReachableTime ?? point.consistentAt,
                    point.consistentAt
                )
            } else {
                let proven = try provenTime(candidate, on: route)
                if proven >= plan.lastReachableTime ?? proven {
                    plan.lastReachableTime = proven
                    plan.lastReachableLSN = candidate.run.recordEnd
                }
            }
        }
    }

    /// Up to when it is certain that all commits are in the candidate's run.
    ///
    /// A later record proves it, and so does the server's own word at a moment without any: of a
    /// keepalive, or of another backup's end.
    func provenTime(_ candidate: RestoreCandidate, on route: RestoreRoute) throws -> Timestamp {
        let start = candidate.point.startLSN
        let run = candidate.run
        var proven = candidate.point.consistentAt
        if let time = try scanner.latestTime(in: run, from: start) { proven = max(proven, time) }
        let proofs = route.path.proofs(
            in: run,
            from: start,
            points: points,
            evidence: wal.evidence
        )
        return max(proven, proofs.max() ?? proven)
    }
}
