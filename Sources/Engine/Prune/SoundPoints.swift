import Domain
import Vaulting

/// Which points can really be restored, as far as a look at names and sizes can tell.
enum SoundPoints {
    /// By position, newest first: no clock decides what is newest.
    static func newestFirst(_ points: [RecoveryPoint]) -> [RecoveryPoint] {
        points.sorted {
            ($0.timeline, $0.stopLSN, $0.id) > ($1.timeline, $1.stopLSN, $1.id)
        }
    }

    /// True when all packs of a point are there as they were written, and none is known to be
    /// damaged.
    static func isSound(_ context: JobContext, _ point: RecoveryPoint) throws -> Bool {
        guard point.state == .completed else { return false }
        do {
            let reader = try PointReader(context.vault, point.systemIdentifier, point.id)
            return try PointStore.damagedPacks(of: reader).isEmpty
        } catch let error as PgkeepError where error.isDamage || error.code == .notFound {
            return false
        }
    }

    /// The points, with those in state `damaged` that turn out to be when the newest `count` sound
    /// ones are looked for.
    static func marked(
        _ context: JobContext,
        _ points: [RecoveryPoint],
        count: Int
    ) throws -> [RecoveryPoint] {
        var found = 0
        return try newestFirst(points).map { point in
            guard found < count else { return point }
            var point = point
            if try isSound(context, point) {
                found += 1
            } else if point.state == .completed {
                point.state = .damaged
            }
            return point
        }
    }

    /// The points whose pages a check has read whole.
    static func verified(_ context: JobContext, _ system: SystemIdentifier) throws -> Set<PointID> {
        let records = try context.vault.scrubs(clock: context.clock).listReadable()
        let points = records.first { $0.id == system.hex }?.value?.points ?? []
        return Set(points.filter { $0.next == nil }.map(\.id))
    }
}
