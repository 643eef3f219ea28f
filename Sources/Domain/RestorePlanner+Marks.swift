/// Targets that name something found in the WAL, and the settings that express targets.
extension RestorePlanner {
    /// After (or before) the end of a transaction.
    func stop(
        atTransaction xid: UInt32,
        _ inclusive: Bool,
        on route: RestoreRoute
    ) throws -> Verdict {
        var found: TransactionEnd?
        for run in route.path.runs.reversed() where found == nil {
            found = try scanner.end(of: xid, in: run)
        }
        guard let record = found else {
            return .failure(
                RestoreObstacle("no transaction \(xid) ended in the archive")
            )
        }
        guard
            let candidate = route.candidates.first(where: {
                $0.point.stopLSN <= record.start && $0.run.start <= record.start
                    && record.end <= $0.run.recordEnd
            })
        else {
            return .failure(
                RestoreObstacle(
                    "transaction \(xid) ended at \(record.end), where no recovery point is "
                        + "consistent before it"
                )
            )
        }
        let limit = inclusive ? record.end : record.start
        let last = try scanner.lastCommit(
            in: candidate.run,
            from: candidate.point.stopLSN,
            doubtful: record.start
        ) { $0.end <= limit }
        var stop = RestoreStop(
            candidate: candidate,
            lsn: limit,
            time: last ?? candidate.point.consistentAt,
            lastSegment: candidate.run.index(endingAt: record.end) ?? 0,
            settings: sided([.init(name: "recovery_target_xid", value: String(xid))], inclusive),
            reason: "replay stops \(inclusive ? "after" : "before") the end of the transaction"
        )
        if !record.isCommit {
            stop.warnings.append("transaction \(xid) was rolled back at \(record.time)")
        }
        return .success(stop)
    }

    /// After the last restore point of this name.
    func stop(atRestorePoint name: String, on route: RestoreRoute) throws -> Verdict {
        let marks = route.path.runs.flatMap(\.segments).flatMap { held in
            held.summary.restorePoints.filter { $0.name == name && $0.lsn <= held.end }
        }
        guard let mark = marks.last else {
            return .failure(
                RestoreObstacle("no restore point named \"\(name)\" is in the archive")
            )
        }
        guard
            let candidate = route.candidates.first(where: {
                $0.point.stopLSN < mark.lsn && $0.run.start < mark.lsn
                    && mark.lsn <= $0.run.recordEnd
            })
        else {
            return .failure(
                RestoreObstacle(
                    "restore point \"\(name)\" at \(mark.lsn) has no consistent recovery point "
                        + "before it"
                )
            )
        }
        let point = candidate.point
        let run = candidate.run
        let last = try scanner.lastCommit(
            in: run,
            from: point.stopLSN,
            doubtful: mark.lsn
        ) { $0.end <= mark.lsn }
        var stop = RestoreStop(
            candidate: candidate,
            lsn: mark.lsn,
            time: last ?? point.consistentAt,
            lastSegment: run.index(endingAt: mark.lsn) ?? 0,
            settings: [.init(name: "recovery_target_name", value: name)],
            reason: "replay stops at the restore point of \(mark.time)"
        )
        guard marks.count > 1 else { return .success(stop) }
        let warning =
            "\(marks.count) restore points have that name; the last one, of \(mark.time), is meant"
        // PostgreSQL stops at the first of the name it meets, so name the place instead.
        if marks.dropLast().contains(where: { $0.lsn > point.startLSN && $0.lsn < mark.lsn }) {
            guard mark.lsn <= (try scanner.lastRecord(of: run)) else {
                return try stopAtEnd(candidate, "nothing follows it: all archived is replayed")
                    .map { $0.adding(warning) }
            }
            stop.settings = lsnSettings(mark.lsn, inclusive: false)
            stop.lastSegment = lastSegment(for: mark.lsn, in: run)
        }
        return .success(stop.adding(warning))
    }
}

extension RestorePlanner {
    func timeSettings(_ time: Timestamp, inclusive: Bool) -> [RestorePlan.Setting] {
        // PostgreSQL wants an explicit offset; a bare time would be read in its own zone.
        let text = time.description.dropLast().split(separator: "T").joined(separator: " ") + "+00"
        return sided([.init(name: "recovery_target_time", value: text)], inclusive)
    }

    func lsnSettings(_ position: LSN, inclusive: Bool) -> [RestorePlan.Setting] {
        sided([.init(name: "recovery_target_lsn", value: position.description)], inclusive)
    }

    private func sided(
        _ settings: [RestorePlan.Setting],
        _ inclusive: Bool
    ) -> [RestorePlan.Setting] {
        inclusive
            ? settings : settings + [.init(name: "recovery_target_inclusive", value: "off")]
    }
}
