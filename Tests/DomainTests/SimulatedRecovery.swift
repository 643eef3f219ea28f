import Domain

/// PostgreSQL's own recovery, step by step as protocol.md §6.2 and §6.3 describe it: what decides
/// whether a plan was right. It knows nothing of summaries or runs.
struct SimulatedRecovery {
    enum Target {
        case none
        case immediate
        case time(Timestamp, inclusive: Bool)
        case lsn(LSN, inclusive: Bool)
        case xid(UInt32, inclusive: Bool)
        case name(String)
    }

    /// Where it promoted; nil when startup died.
    struct Outcome: Equatable {
        var end: LSN
        var replayed: [SimulatedRecord]
    }

    let archive: SimulatedArchive
    /// Only these segments can be fetched; nil means all that is held.
    var allowed: Set<WALSegment>?
    /// True to end where PostgreSQL, for want of the child's copy of the segment they share, would
    /// read on in a parent's segment beyond the fork: no plan may want that.
    var isFaithful = false

    /// Recovers with the settings of a plan.
    func run(_ plan: RestorePlan) -> Outcome? {
        guard let point = plan.point else { return nil }
        let timeline =
            plan.targetTimeline == "current" ? point.timeline : TimelineID(plan.targetTimeline)
        guard let timeline, let target = Self.target(plan.settings) else { return nil }
        return run(point, timeline, target)
    }

    static func target(_ settings: [RestorePlan.Setting]) -> Target? {
        let values = Dictionary(uniqueKeysWithValues: settings.map { ($0.name, $0.value) })
        let inclusive = values["recovery_target_inclusive"] != "off"
        let targets = values.keys.filter { $0 != "recovery_target_inclusive" }
        guard targets.count <= 1 else { return nil }
        guard let name = targets.first, let value = values[name] else { return Target.none }
        switch name {
        case "recovery_target": return value == "immediate" ? .immediate : nil
        case "recovery_target_time":
            return Timestamp(value).map { .time($0, inclusive: inclusive) }
        case "recovery_target_lsn": return LSN(value).map { .lsn($0, inclusive: inclusive) }
        case "recovery_target_xid": return UInt32(value).map { .xid($0, inclusive: inclusive) }
        case "recovery_target_name": return .name(value)
        default: return nil
        }
    }

    /// Recovers from a point to a target on a timeline.
    func run(_ point: RecoveryPoint, _ timeline: TimelineID, _ target: Target) -> Outcome? {
        let known = archive.histories.first { $0.timeline == timeline }
        guard known != nil || timeline == 1 || timeline == point.timeline else { return nil }
        let history = known ?? .root(timeline)
        guard history.contains(point.timeline, at: point.stopLSN) else { return nil }
        var reader = Reader(recovery: self, history: history)
        var outcome = Outcome(
            end: point.startLSN,
            replayed: []
        )
        var hasStopped = false
        while !hasStopped, let record = reader.record(at: outcome.end) {
            if Self.stops(before: record, target) {
                hasStopped = true
                break
            }
            outcome.replayed.append(record)
            outcome.end = record.end
            hasStopped = Self.stops(
                after: record,
                target,
                isConsistent: outcome.end >= point.stopLSN
            )
        }
        if case .none = target {} else if !hasStopped { return nil }
        return outcome.end >= point.stopLSN ? outcome : nil
    }

    private static func stops(before record: SimulatedRecord, _ target: Target) -> Bool {
        switch target {
        case .time(let time, let inclusive):
            record.transactionEnd.map { inclusive ? $0.time > time : $0.time >= time } ?? false
        case .lsn(let position, inclusive: false): record.start >= position
        case .xid(let xid, inclusive: false): record.transactionEnd?.xid == xid
        default: false
        }
    }

    private static func stops(
        after record: SimulatedRecord,
        _ target: Target,
        isConsistent: Bool
    ) -> Bool {
        switch target {
        case .immediate: return isConsistent
        case .lsn(let position, inclusive: true): return record.start >= position
        case .xid(let xid, inclusive: true): return record.transactionEnd?.xid == xid
        case .name(let name):
            if case .mark(name, _) = record.kind { return true }
            return false
        default: return false
        }
    }

    /// Finds records in segment files as XLogFileReadAnyTLI does: newest timeline first, never back
    /// to an older one than the last file came from.
    private struct Reader {
        let recovery: SimulatedRecovery
        let history: TimelineHistory
        var floor: TimelineID = 0

        init(recovery: SimulatedRecovery, history: TimelineHistory) {
            self.recovery = recovery
            self.history = history
        }

        mutating func file(_ number: UInt64) -> WALSegment? {
            var begin = LSN.zero
            var entries: [(TimelineID, LSN)] = []
            for fork in history.forks {
                entries.append((fork.timeline, begin))
                begin = fork.end
            }
            entries.append((history.timeline, begin))
            for (timeline, begin) in entries.reversed() {
                if timeline < floor { break }
                if number < begin.rawValue / SimulatedInstance.size.bytes { continue }
                let segment = WALSegment(
                    timeline: timeline,
                    number: number,
                    size: SimulatedInstance.size
                )
                guard recovery.archive.held[segment] != nil,
                    recovery.allowed?.contains(segment) ?? true
                else { continue }
                floor = timeline
                return segment
            }
            return nil
        }

        mutating func record(at end: LSN) -> SimulatedRecord? {
            let start = SimulatedInstance.recordStart(after: end)
            let size = SimulatedInstance.size.bytes
            var number = start.rawValue / size
            guard let first = file(number),
                let record = recovery.archive.cluster.record(
                    on: first.timeline,
                    where: { $0.start == start }
                )
            else { return nil }
            while LSN(number * size) < record.end {
                guard let segment = file(number), let held = recovery.archive.held[segment],
                    held >= min(record.end, segment.end),
                    recovery.archive.cluster.record(
                        on: segment.timeline,
                        where: { $0.start == start }
                    ) == record
                else { return nil }
                number += 1
            }
            guard
                !recovery.isFaithful
                    || recovery.archive.cluster.record(
                        on: history.timeline,
                        where: { $0.start == start }
                    ) == record
            else { return nil }
            return record
        }
    }
}
