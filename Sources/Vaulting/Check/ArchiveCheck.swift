import Domain
import Storage

/// Looks for what must be there beside the points: their WAL, timeline histories, the instance's
/// record. Gaps between segments that no point needs are no damage; the recovery window names them.
struct ArchiveCheck {
    private let check: VaultCheck
    private let system: SystemIdentifier

    init(_ check: VaultCheck, _ system: SystemIdentifier) {
        self.check = check
        self.system = system
    }

    func run(_ points: [RecoveryPoint]) throws {
        try checkRecord()
        guard let size = points.last?.segmentSize else { return }
        let archive = try WALArchive.load(check.vault, system, segmentSize: size)
        for point in points { try checkSegments(of: point, archive) }
        try checkHistories(archive.timelines + points.map(\.timeline))
    }

    private func checkRecord() throws {
        let name = ObjectName("\(VaultNames.recordsPrefix)instance")
        try check.examine(name) {
            let records = try check.vault.instances().list()
            guard records.contains(where: { $0.value?.systemIdentifier == system }) else {
                throw PgkeepError(
                    .integrity,
                    "no record names the instance with system identifier \(system)"
                )
            }
        }
    }

    /// Without the WAL from its start to its end a point cannot be made consistent.
    private func checkSegments(of point: RecoveryPoint, _ archive: WALArchive) throws {
        var segment = WALSegment(
            timeline: point.timeline,
            containing: point.startLSN,
            size: archive.segmentSize
        )
        while segment.start < point.stopLSN {
            let name = WALObjectName(system, segment: segment.name, .sealed).object
            // A listing is not of one moment: a journal sealed meanwhile may show neither way.
            if !archive.isSealed(segment), archive.leftovers(of: segment).isEmpty,
                try check.vault.store.head(name) == nil
            {
                check.damaged(
                    name,
                    "it is missing, and a recovery point needs it",
                    points: [point.id]
                )
            }
            segment = segment.next
        }
    }

    private func checkHistories(_ timelines: [TimelineID]) throws {
        let prefix = "\(VaultNames.prefix(system))history/"
        let held = Set(try TimelineArchive(check.vault, system).timelines())
        for timeline in Set(timelines) where timeline > 1 && !held.contains(timeline) {
            check.damaged(
                ObjectName(prefix + TimelineHistory.name(of: timeline)),
                "it is missing, and WAL of timeline \(timeline) is there"
            )
        }
    }
}
