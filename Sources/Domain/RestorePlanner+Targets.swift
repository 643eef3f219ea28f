/// What each kind of target means, in PostgreSQL's terms.
extension RestorePlanner {
    typealias Verdict = Result<RestoreStop, RestoreObstacle>

    /// Replays the whole run, naming no target: PostgreSQL ends where the archive ends.
    func stopAtEnd(_ candidate: RestoreCandidate, _ reason: String) throws -> Verdict {
        let point = candidate.point
        let run = candidate.run
        let end = max(run.recordEnd, point.stopLSN)
        let time = try scanner.lastCommit(in: run, from: point.stopLSN, doubtful: run.end) { _ in
            true
        }
        var stop = RestoreStop(
            candidate: candidate,
            lsn: end,
            time: time ?? point.consistentAt,
            lastSegment: run.segments.count - 1,
            reason: reason
        )
        if let branch = run.branch {
            // The child's copy of the segment with the switch is missing, and PostgreSQL would read
            // on in the parent's, past the fork: keep it on the parent and stop it after the last
            // record before the switch. To stop before the record at the switch, PostgreSQL would
            // have to read that, which is the other branch's and need not be whole.
            let last = try scanner.lastRecord(of: run)
            stop.settings = lsnSettings(last, inclusive: true)
            stop.timeline = run.last.segment.timeline
            stop.warnings.append(
                "the segment holding the switch at \(branch) is missing from the newer timeline; "
                    + "replay ends at the switch"
            )
        }
        return .success(stop)
    }

    /// All that is archived from the newest usable point on.
    func stopAtLatest(_ candidate: RestoreCandidate, on route: RestoreRoute) throws -> Verdict {
        let run = candidate.run
        let isShort =
            route.gap(after: run) != nil
            || wal.losses.contains {
                $0.start >= run.end && route.history.contains($0.timeline, at: $0.start)
            }
            || points.contains {
                $0.stopLSN > run.recordEnd && route.history.contains($0.timeline, at: $0.stopLSN)
            }
        return try stopAtEnd(candidate, "all that is archived is replayed").map { stop in
            isShort
                ? stop.adding(
                    "WAL after \(run.end) is missing: this is not the latest state of the source"
                )
                : stop
        }
    }

    /// The consistent end of one backup.
    func stopAtPoint(_ id: PointID, on route: RestoreRoute) -> Verdict {
        guard let candidate = route.candidates.first(where: { $0.point.id == id }) else {
            let state = points.first { $0.id == id }?.state
            return .failure(
                RestoreObstacle(
                    state == .completed
                        ? "the WAL that makes point \(id) consistent is not complete, or the point "
                            + "is not on timeline \(route.history.timeline)"
                        : "point \(id) is \(state?.rawValue ?? "unknown")"
                )
            )
        }
        let point = candidate.point
        return .success(
            RestoreStop(
                candidate: candidate,
                lsn: point.stopLSN,
                time: point.consistentAt,
                lastSegment: candidate.run.index(endingAt: point.stopLSN) ?? 0,
                settings: [.init(name: "recovery_target", value: "immediate")],
                reason: "replay stops as soon as the backup is consistent"
            )
        )
    }

    /// Before the first commit or abort later than the time (or at it, when exclusive).
    func stop(at time: Timestamp, _ inclusive: Bool, on route: RestoreRoute) throws -> Verdict {
        let fitting = route.candidates.filter { $0.point.consistentAt <= time }
        guard !fitting.isEmpty else {
            return .failure(
                RestoreObstacle("\(time) lies before the first usable recovery point")
            )
        }
        var obstacle = RestoreObstacle("\(time) lies before a backup's consistent end")
        for candidate in fitting {
            let point = candidate.point
            let run = candidate.run
            let record = try scanner.first(in: run, from: point.startLSN) {
                inclusive ? $0 > time : $0 >= time
            }
            guard let record else {
                // PostgreSQL refuses a time nothing later proves; the same state is at the end.
                let proven = try provenTime(candidate, on: route)
                guard time <= proven else {
                    obstacle = beyond(time, proven, candidate, on: route)
                    break
                }
                return try stopAtEnd(
                    candidate,
                    "no transaction ended after that time: all archived is replayed"
                )
            }
            // The clock was set back during the backup: recovery would stop before consistency.
            guard record.start >= point.stopLSN else { continue }
            let last = try scanner.lastCommit(
                in: run,
                from: point.stopLSN,
                doubtful: record.start
            ) { $0.end <= record.start }
            return .success(
                RestoreStop(
                    candidate: candidate,
                    lsn: record.start,
                    time: last ?? point.consistentAt,
                    lastSegment: run.index(endingAt: record.end) ?? 0,
                    settings: timeSettings(time, inclusive: inclusive),
                    reason: "replay stops before the transaction end of \(record.time)"
                )
            )
        }
        return .failure(obstacle)
    }

    private func beyond(
        _ time: Timestamp,
        _ proven: Timestamp,
        _ candidate: RestoreCandidate,
        on route: RestoreRoute
    ) -> RestoreObstacle {
        guard let gap = route.gap(after: candidate.run) else {
            return RestoreObstacle("\(time) lies after the last archived transaction of \(proven)")
        }
        let cause = wal.cause(of: gap, on: route.history)
        return RestoreObstacle(
            "\(time) lies in a gap: WAL from \(gap.lowerBound) to \(gap.upperBound) is missing "
                + "(\(cause.rawValue))"
        )
    }

    /// After the first record that starts at or after the position (or before it, when exclusive).
    func stop(at position: LSN, _ inclusive: Bool, on route: RestoreRoute) throws -> Verdict {
        guard let candidate = route.candidates.first(where: { $0.point.stopLSN <= position }) else {
            return .failure(
                RestoreObstacle("\(position) lies before the first usable recovery point")
            )
        }
        let point = candidate.point
        let run = candidate.run
        let end = WALRun.recordStart(after: run.recordEnd, size: wal.segmentSize)
        guard position <= end else {
            if let gap = route.gap(after: run) {
                let place = position < gap.upperBound ? "in" : "behind"
                return .failure(
                    RestoreObstacle(
                        "\(position) lies \(place) a gap: WAL from \(gap.lowerBound) to "
                            + "\(gap.upperBound) is missing "
                            + "(\(wal.cause(of: gap, on: route.history).rawValue))"
                    )
                )
            }
            return .failure(
                RestoreObstacle("\(position) lies after the last archived WAL, \(run.recordEnd)")
            )
        }
        // No record starts there yet, and PostgreSQL would wait for one in vain.
        guard position <= (try scanner.lastRecord(of: run)) else {
            return try stopAtEnd(
                candidate,
                "no record starts at or after it: all archived is replayed"
            )
        }
        let last = try scanner.lastCommit(
            in: run,
            from: point.stopLSN,
            doubtful: position
        ) { $0.start < position || inclusive && $0.start == position }
        var stop = RestoreStop(
            candidate: candidate,
            lsn: position,
            time: last ?? point.consistentAt,
            lastSegment: lastSegment(for: position, in: run),
            settings: lsnSettings(position, inclusive: inclusive),
            reason: "replay stops \(inclusive ? "after" : "before") the record at that position"
        )
        for other in wal.timelines where other != route.history.timeline {
            guard let fork = route.history.end(of: other), fork > .zero, fork < position,
                wal.stretches(of: other).contains(where: { $0.contains(position) })
            else { continue }
            stop.warnings.append(
                "timeline \(other) has that position too, beyond its fork at \(fork); for that one "
                    + "give --timeline \(other)"
            )
        }
        return .success(stop)
    }

    /// The segment in which the first record starting at or after the position ends.
    func lastSegment(for position: LSN, in run: WALRun) -> Int {
        let first = run.index(containing: position) ?? run.segments.count - 1
        return run.segments[first...].firstIndex {
            ($0.summary.lastRecord ?? .zero) >= position
        } ?? run.segments.count - 1
    }
}
