import Domain
import Postgres
import Storage
import Vaulting

/// Checks that an instance's WAL is all there: within each point, between the first and the last
/// segment of each timeline, and up to what the last stream had acknowledged.
struct WALCheck {
    private let instance: InstanceRecord
    private let survey: ArchiveSurvey
    private let histories: Set<TimelineID>
    private let marks: [StreamMark]

    init(_ context: JobContext, _ instance: InstanceRecord) throws {
        self.instance = instance
        // What was acknowledged before the look must show in it; the reverse would not hold.
        marks = try StreamMark.list(context, instance.systemIdentifier)
        survey = try ArchiveSurvey(context, instance)
        histories = Set(
            try TimelineArchive(context.vault, instance.systemIdentifier).timelines()
        )
    }

    /// What is missing or contradicts itself.
    func damage() -> [CheckReport.Damage] {
        missing() + unacknowledged() + withoutHistory() + divergent()
    }

    /// Every gap of the recovery window, whatever its cause.
    var gaps: [CheckReport.Gap] {
        survey.window.gaps.map {
            CheckReport.Gap(
                instance: instance.name.description,
                fromLSN: $0.from,
                toLSN: $0.to,
                cause: $0.cause
            )
        }
    }

    /// Adds to the damage of one of this instance's WAL objects what it means: which positions
    /// cannot be replayed, and which points cannot be made consistent.
    func completed(_ damage: CheckReport.Damage) -> CheckReport.Damage {
        guard let name = ObjectName(validating: damage.object).flatMap(WALObjectName.init),
            name.systemIdentifier == instance.systemIdentifier, damage.fromLSN == nil,
            let segment = WALSegment(name: name.segment, size: instance.segmentSize)
        else { return damage }
        if case .alternate = name.form { return damage }
        let meaning = report(segment.start..<segment.end, segment.timeline, damage.reason)
        var damage = damage
        damage.fromLSN = meaning.fromLSN
        damage.toLSN = meaning.toLSN
        damage.points = Set(damage.points + meaning.points).sorted()
        return damage
    }

    /// Holes nobody recorded as given up.
    private func missing() -> [CheckReport.Damage] {
        var found: [CheckReport.Damage] = []
        for timeline in survey.wal.timelines {
            let stretches = survey.wal.stretches(of: timeline)
            for (before, after) in zip(stretches, stretches.dropFirst()) {
                let hole = before.upperBound..<after.lowerBound
                guard !isRecorded(hole, timeline) else { continue }
                found.append(report(hole, timeline, "WAL from \(hole.lowerBound) is missing"))
            }
        }
        for point in survey.points {
            let needed = point.startLSN..<point.stopLSN
            let segment = WALSegment(
                timeline: point.timeline,
                containing: point.startLSN,
                size: instance.segmentSize
            )
            let isHeld = survey.wal.stretches(of: point.timeline).contains {
                $0.lowerBound <= segment.start && $0.upperBound >= needed.upperBound
            }
            guard !isHeld else { continue }
            var damage = report(
                needed,
                point.timeline,
                "WAL of recovery point \(point.id) is missing"
            )
            damage.points = [point.id]
            found.append(damage)
        }
        return found
    }

    /// WAL a stream reported as durable that is not there: an end of the archive that was cut off.
    private func unacknowledged() -> [CheckReport.Damage] {
        marks.compactMap { mark in
            let end = survey.wal.stretches(of: mark.timeline).last?.upperBound ?? .zero
            guard end < mark.lsn else { return nil }
            return report(
                end..<mark.lsn,
                mark.timeline,
                "acknowledged WAL from \(end) on is missing"
            )
        }
    }

    private func withoutHistory() -> [CheckReport.Damage] {
        let used = Set(survey.wal.timelines).union(survey.points.map(\.timeline))
        return used.filter { $0 > 1 && !histories.contains($0) }.sorted().map { timeline in
            CheckReport.Damage(
                object: "\(VaultNames.prefix(instance.systemIdentifier))history/"
                    + TimelineHistory.name(of: timeline),
                reason: "the history of timeline \(timeline) is missing",
                instance: instance.name.description,
                points: survey.points.filter { $0.timeline == timeline }.map(\.id)
            )
        }
    }

    private func divergent() -> [CheckReport.Damage] {
        survey.wal.divergent.sorted().map { segment in
            var damage = report(
                segment.start..<segment.end,
                segment.timeline,
                "it was received with two different contents; the later one is kept aside"
            )
            damage.points = []
            return damage
        }
    }

    private func isRecorded(_ hole: Range<LSN>, _ timeline: TimelineID) -> Bool {
        survey.wal.losses.contains {
            $0.timeline == timeline && $0.cause != .damaged && $0.start <= hole.lowerBound
                && $0.end >= hole.upperBound
        }
    }

    private func report(
        _ range: Range<LSN>,
        _ timeline: TimelineID,
        _ reason: String
    ) -> CheckReport.Damage {
        let segment = WALSegment(
            timeline: timeline,
            containing: range.lowerBound,
            size: instance.segmentSize
        )
        let affected = survey.points.filter {
            $0.timeline == timeline && $0.startLSN < range.upperBound
                && $0.stopLSN > range.lowerBound
        }
        return CheckReport.Damage(
            object: WALObjectName(
                instance.systemIdentifier,
                segment: segment.name,
                .sealed
            ).description,
            reason: reason,
            instance: instance.name.description,
            points: affected.map(\.id),
            fromLSN: range.lowerBound,
            toLSN: range.upperBound
        )
    }
}
