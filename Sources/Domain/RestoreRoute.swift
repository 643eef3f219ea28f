/// A point and the unbroken WAL replay can go through from it.
struct RestoreCandidate {
    let point: RecoveryPoint
    let run: WALRun
}

/// The history a restore follows and the points it can begin with.
struct RestoreRoute {
    let path: WALPath
    /// False when the timeline's past is unknown, so that only points on itself can serve.
    let isHistoryKnown: Bool
    /// Usable points, newest first.
    let candidates: [RestoreCandidate]

    init(path: WALPath, isHistoryKnown: Bool, points: [RecoveryPoint]) {
        self.path = path
        self.isHistoryKnown = isHistoryKnown
        candidates = points.filter { $0.state == .completed }
            .sorted { ($0.stopLSN, $0.id) > ($1.stopLSN, $1.id) }
            .compactMap { point in
                path.run(for: point).map { RestoreCandidate(point: point, run: $0) }
            }
    }

    var history: TimelineHistory { path.history }

    /// The first WAL missing after a run, when there is more behind it.
    func gap(after run: WALRun) -> Range<LSN>? {
        path.runs.first { $0.start > run.start }.map { run.end..<$0.start }
    }
}

/// Where and how a restore stops.
struct RestoreStop {
    var candidate: RestoreCandidate
    /// Where replay ends.
    var lsn: LSN
    /// The time of the last commit replayed, or the point's own.
    var time: Timestamp
    /// The index in the run of the last segment needed.
    var lastSegment: Int
    /// What to tell PostgreSQL: nothing when it is to replay all there is.
    var settings: [RestorePlan.Setting] = []
    /// The timeline to name when it is not the route's.
    var timeline: TimelineID?
    var reason: String
    var warnings: [String] = []

    /// The same stop with one more warning.
    func adding(_ warning: String) -> RestoreStop {
        var stop = self
        stop.warnings.append(warning)
        return stop
    }
}

/// Why a target cannot be met.
struct RestoreObstacle: Error {
    var reason: String
    var code: ErrorCode

    init(_ reason: String, _ code: ErrorCode = .outsideWindow) {
        self.reason = reason
        self.code = code
    }
}
