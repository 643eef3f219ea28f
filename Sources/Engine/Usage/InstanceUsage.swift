import Domain
import Platform
import Storage
import Vaulting

/// Puts together what one instance takes: its objects, and what its points' roots say of them.
///
/// Roots are read one after the other; of each pack only who needs it is remembered.
struct InstanceUsage {
    private struct Need {
        var info: PackInfo
        var points = 1
        /// The point that named it first: its owner while no other does.
        var point: PointID
    }

    private let context: JobContext
    private let system: SystemIdentifier
    private let record: InstanceRecord?
    private let objects: VaultUsage.Instance

    private static let weekDays: Double = 7
    private static let daysShown = 31
    private static let hoursShown: Int64 = 48

    init(
        _ context: JobContext,
        _ system: SystemIdentifier,
        record: InstanceRecord?,
        _ objects: VaultUsage.Instance
    ) {
        self.context = context
        self.system = system
        self.record = record
        self.objects = objects
    }

    func report() throws -> UsageReport.Instance {
        var needs: [PackID: Need] = [:]
        var newest: [PackInfo] = []
        let points = try readPoints(&needs, &newest)
        var result = UsageReport.Instance(
            name: record?.name.description ?? system.hex,
            systemIdentifier: system
        )
        var own: [PointID: UInt64] = [:]
        for need in needs.values {
            // What is missing takes nothing, whatever roots say.
            guard objects.packs[need.info.id] != nil else { continue }
            result.mapBytes += need.info.metaBytes
            result.pageBytes += need.info.size - min(need.info.size, need.info.metaBytes)
            if need.points == 1 { own[need.point, default: 0] += need.info.size }
        }
        result.unreferencedBytes = objects.packs.reduce(0) {
            needs[$1.key] == nil ? $0 + $1.value : $0
        }
        result.walBytes = objects.walBytes
        result.historyBytes = objects.historyBytes
        result.controlBytes = objects.controlBytes
        result.state = record?.state.rawValue
        result.deprovisioned = record?.isDeprovisioned ?? true
        result.baseBytes = objects.packBytes
        result.metaBytes = objects.historyBytes + objects.controlBytes
        result.sourceBytes = points.last?.logicalBytes ?? 0
        result.newestPointBytes = newest.reduce(0) { $0 + (objects.packs[$1.id] ?? 0) }
        result.totalBytes = objects.totalBytes
        result.logicalBytes = points.reduce(0) { $0 + $1.logicalBytes }
        let size = record?.segmentSize ?? points.last?.segmentSize ?? .standard
        result.walLogicalBytes = objects.walSegments * size.bytes + objects.walPartBytes
        result.points = points.map {
            UsageReport.Point(
                id: $0.id,
                finishedAt: $0.finishedAt,
                logicalBytes: $0.logicalBytes,
                storedBytes: $0.storedBytes,
                ownBytes: (own[$0.id] ?? 0) + (objects.roots[$0.id] ?? 0)
            )
        }
        result.growthPerDay = Self.growth(points, objects, now: context.clock.now)
        result.backupGrowthPerDay = Self.backupGrowth(points, now: context.clock.now)
        result.days = days(points)
        result.hours = hours()
        return result
    }

    /// The readable points, oldest first; counts who needs which pack.
    private func readPoints(
        _ needs: inout [PackID: Need],
        _ newest: inout [PackInfo]
    ) throws -> [RecoveryPoint] {
        var points: [RecoveryPoint] = []
        for listed in try PointStore.list(context.vault, system) {
            let root: PointRoot
            do {
                root = try PointReader(context.vault, system, listed.id).root
            } catch let error as PgkeepError where error.isDamage || error.code == .notFound {
                continue
            }
            points.append(root.point)
            newest = root.packs.map(\.info)
            for pack in root.packs {
                needs[pack.info.id]?.points += 1
                if needs[pack.info.id] == nil {
                    needs[pack.info.id] = Need(info: pack.info, point: root.point.id)
                }
            }
        }
        return points
    }

    /// The mean of the last week, or of the days since the first object; at least of one day.
    static func growth(
        _ points: [RecoveryPoint],
        _ objects: VaultUsage.Instance,
        now: Timestamp
    ) -> UInt64 {
        let begin = now.adding(seconds: Int64(-weekDays * 86400))
        let added =
            points.filter { $0.parent != nil && $0.finishedAt >= begin }
            .reduce(0) { $0 + $1.storedBytes }
            + objects.walByDay.filter { $0.key > begin.day }.reduce(0) { $0 + $1.value }
        let firstWAL = objects.walByDay.keys.min().map { Timestamp(seconds: $0 * 86400) }
        guard let first = [points.first?.startedAt, firstWAL].compactMap({ $0 }).min() else {
            return 0
        }
        let days = min(max(now.seconds(since: first) / 86400, 1), weekDays)
        return UInt64((Double(added) / days).rounded())
    }

    /// As above, of backups alone.
    private static func backupGrowth(_ points: [RecoveryPoint], now: Timestamp) -> UInt64 {
        guard let first = points.first?.startedAt else { return 0 }
        let begin = now.adding(seconds: Int64(-weekDays * 86400))
        let added = points.filter { $0.parent != nil && $0.finishedAt >= begin }
            .reduce(0) { $0 + $1.storedBytes }
        let days = min(max(now.seconds(since: first) / 86400, 1), weekDays)
        return UInt64((Double(added) / days).rounded())
    }

    private func days(_ points: [RecoveryPoint]) -> [UsageReport.Day] {
        var base: [Int64: UInt64] = [:]
        for point in points { base[point.finishedAt.day, default: 0] += point.storedBytes }
        return Set(base.keys).union(objects.walByDay.keys).sorted().suffix(Self.daysShown).map {
            UsageReport.Day(
                day: String(Timestamp(seconds: $0 * 86400).description.prefix(10)),
                baseBytes: base[$0] ?? 0,
                walBytes: objects.walByDay[$0] ?? 0
            )
        }
    }

    private func hours() -> [UsageReport.Hour] {
        let first = context.clock.now.seconds / 3600 - Self.hoursShown
        return objects.walByHour.filter { $0.key > first }.sorted { $0.key < $1.key }.map {
            UsageReport.Hour(hour: Timestamp(seconds: $0.key * 3600), walBytes: $0.value)
        }
    }
}
