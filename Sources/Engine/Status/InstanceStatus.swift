public import Domain
import Platform
import Vaulting

/// How one instance is protected, read from the vault alone and without opening any WAL: names of
/// segments, roots of points, and what streams tell of themselves.
public struct InstanceStatus: Sendable, Encodable {
    /// Its name.
    public var name: InstanceName
    /// Its cluster.
    public var systemIdentifier: SystemIdentifier
    /// How well it is protected.
    public var state: Protection.State
    /// What made it so, the worst first, each with the command that helps.
    public var reasons: [Protection.Reason]
    /// Usable recovery points.
    public var points: Int
    /// Damaged ones.
    public var damagedPoints: Int
    /// When the newest usable one was made.
    public var lastPointAt: Timestamp?
    /// The earliest moment within reach.
    public var windowFrom: Timestamp?
    /// The latest moment the vault is known to reach; there may be gaps between, see window show.
    public var windowTo: Timestamp?
    /// True when a stream is connected.
    public var streaming: Bool
    /// Bytes the server has and the vault lacks; nil without a stream.
    public var lagBytes: UInt64?
    /// For how long the vault may lack something: what would be lost if the server died now.
    public var rpoSeconds: Double?
    /// Bytes of WAL the slot keeps on the server; nil without a stream that could look.
    public var slotRetainedBytes: UInt64? { streamStatus?.slotRetainedBytes }
    /// Bytes that may be written before the slot is lost; nil: unlimited, or not known.
    public var safeWALBytes: UInt64? { streamStatus?.safeWALBytes }
    /// The server's word for the slot's state.
    public var slotState: String? { streamStatus?.slotState }
    /// Why the stream takes no WAL for now.
    public var pause: String? { streamStatus?.pause }
    /// When a drill last judged a copy to be sound; nil when none has, or the last one found fault.
    public var provenAt: Timestamp?
    /// How far that proof goes.
    public var provenLevel: Drill.Level?
    /// Bytes it takes in the vault.
    public var storedBytes: UInt64
    /// Its quota in bytes.
    public var quotaBytes: UInt64
    /// True when it takes more than its quota.
    public var quotaExceeded: Bool
    /// What was judged.
    let facts: Protection.Facts
    /// What the living stream last told of itself.
    let streamStatus: StreamStatus?
    /// Bytes later backups and WAL add in a day, the mean of the last week.
    let growthPerDay: UInt64
    /// Days within which its policy wants a restore drill.
    let drillDays: Int?

    enum CodingKeys: String, CodingKey {
        case name, state, reasons, points, streaming, pause
        case slotRetainedBytes = "slot_retained_bytes"
        case safeWALBytes = "safe_wal_bytes"
        case slotState = "slot_state"
        case systemIdentifier = "system_identifier"
        case damagedPoints = "damaged_points"
        case lastPointAt = "last_point_at"
        case windowFrom = "window_from"
        case windowTo = "window_to"
        case lagBytes = "lag_bytes"
        case rpoSeconds = "rpo_seconds"
        case provenAt = "proven_at"
        case provenLevel = "proven_level"
        case storedBytes = "stored_bytes"
        case quotaBytes = "quota_bytes"
        case quotaExceeded = "quota_exceeded"
    }

    /// Writes every key, unknown values as null.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        try container.encode(systemIdentifier, forKey: .systemIdentifier)
        try container.encode(state, forKey: .state)
        try container.encode(reasons, forKey: .reasons)
        try container.encode(points, forKey: .points)
        try container.encode(damagedPoints, forKey: .damagedPoints)
        try container.encode(lastPointAt, forKey: .lastPointAt)
        try container.encode(windowFrom, forKey: .windowFrom)
        try container.encode(windowTo, forKey: .windowTo)
        try container.encode(streaming, forKey: .streaming)
        try container.encode(lagBytes, forKey: .lagBytes)
        try container.encode(rpoSeconds, forKey: .rpoSeconds)
        try container.encode(slotRetainedBytes, forKey: .slotRetainedBytes)
        try container.encode(safeWALBytes, forKey: .safeWALBytes)
        try container.encode(slotState, forKey: .slotState)
        try container.encode(pause, forKey: .pause)
        try container.encode(provenAt, forKey: .provenAt)
        try container.encode(provenLevel, forKey: .provenLevel)
        try container.encode(storedBytes, forKey: .storedBytes)
        try container.encode(quotaBytes, forKey: .quotaBytes)
        try container.encode(quotaExceeded, forKey: .quotaExceeded)
    }

    /// Looks at an instance that has these `objects`.
    static func read(
        _ context: JobContext,
        _ record: InstanceRecord,
        objects: VaultUsage.Instance,
        quota: StorageQuota,
        jobs: [JobRecord] = []
    ) throws -> InstanceStatus {
        let system = record.systemIdentifier
        let now = context.clock.now
        let found = try Points.list(context, record)
        let archive = try WALArchive.load(context.vault, system, segmentSize: record.segmentSize)
        let coverage = WALCoverage(archive, losses: try LossRecord.list(context.vault, system))
        let usable = found.points.filter { $0.state == .completed && coverage.carries($0) }
        let stream = try StreamLookup.status(context.vault, system, now: now)
        let heard = try StreamEvidence.list(context, system).map(\.time).max()
        let newest = usable.last
        var facts = Protection.Facts(
            name: record.name.description,
            now: now,
            addedAt: record.createdAt
        )
        facts.isDeleted = record.state == .deleted
        facts.ended = ended(record)
        facts.newestPoint = newest?.consistentAt
        facts.damagedPoints = found.damaged.count + found.points.count - usable.count
        let policy = try Policies.of(context, record)
        if let due = try secondsUntilOverdue(policy, record, now) { facts.backupDueSeconds = due }
        facts.lagLimitSeconds = Double(policy.rpoSeconds ?? Policy.standardRPOSeconds)
        facts.failedBackup = failure(jobs, of: record, since: newest?.startedAt)
        facts.hasGapAhead = newest.map(coverage.hasGap(after:)) ?? false
        facts.knownUntil = [heard, newest?.consistentAt].compactMap { $0 }.max()
        let lag = stream.map { ($0.serverLSN, max($0.durableLSN, .zero)) }
            .map { $0.0 > $0.1 ? $0.0 - $0.1 : 0 }
        let behind = stream.map { status in
            lag == 0 ? 0 : max(0, now.seconds(since: status.caughtUpAt ?? status.at))
        }
        facts.stream = stream.map { Protection.Stream($0, behindSeconds: behind ?? 0) }
        let proof = try Drills.proven(context, system).last
        facts.failedDrill = proof.flatMap(Protection.FailedJob.init(unsound:))
        let protection = Protection(facts)
        let allowed = quota.bytes(ofSource: newest?.logicalBytes ?? 0)
        let sound = proof.flatMap { $0.isSound ? $0 : nil }
        return InstanceStatus(
            name: record.name,
            systemIdentifier: system,
            state: protection.state,
            reasons: protection.reasons,
            points: usable.count,
            damagedPoints: facts.damagedPoints,
            lastPointAt: newest?.finishedAt,
            windowFrom: usable.first?.consistentAt,
            windowTo: newest == nil ? nil : facts.knownUntil,
            streaming: stream?.isConnected ?? false,
            lagBytes: lag,
            rpoSeconds: stream?.isConnected == true
                ? behind : facts.knownUntil.map { max(0, now.seconds(since: $0)) },
            provenAt: sound?.at,
            provenLevel: sound?.level,
            storedBytes: objects.totalBytes,
            quotaBytes: allowed,
            quotaExceeded: newest != nil && objects.totalBytes > allowed,
            facts: facts,
            streamStatus: stream,
            growthPerDay: InstanceUsage.growth(found.points, objects, now: now),
            drillDays: policy.drillDays
        )
    }
}

extension InstanceStatus {
    /// The age at which the newest backup is overdue: two of its policy's intervals, so that one
    /// missed slot, which is made up for, is not yet said. Nil when the policy has no such times.
    private static func secondsUntilOverdue(
        _ policy: Policy,
        _ record: InstanceRecord,
        _ now: Timestamp
    ) throws -> Double? {
        let zone = try Policies.zone(policy)
        func slot(_ moment: Timestamp) -> Timestamp? {
            policy.lastSlot(
                atOrBefore: moment,
                systemIdentifier: record.systemIdentifier,
                zone: zone
            )
        }
        guard let last = slot(now), let before = slot(last.adding(seconds: -1)) else { return nil }
        return max(2 * last.seconds(since: before), 7200)
    }

    /// The newest backup job, when it failed and none has made a point since.
    private static func failure(
        _ jobs: [JobRecord],
        of record: InstanceRecord,
        since newest: Timestamp?
    ) -> Protection.FailedJob? {
        let ended = jobs.last {
            $0.kind == .backup && $0.instance == record.name && $0.state.isEnd
                && $0.state != .skipped
        }
        guard let ended, ended.state == .failed, newest.map({ ended.time > $0 }) ?? true else {
            return nil
        }
        return Protection.FailedJob(
            id: ended.id.description,
            at: ended.time,
            code: ended.errorCode ?? ErrorCode.unexpected.name
        )
    }

    /// How protection was ended on purpose, in words; nil while it is active.
    private static func ended(_ record: InstanceRecord) -> String? {
        let when = record.stoppedAt.map { " at \($0)" } ?? ""
        switch record.state {
        case .active: return nil
        case .stoppedForever:
            return "protection was stopped\(when); everything is kept for ever"
        case .stoppedPolicy:
            return "protection was stopped\(when); points expire, the newest stays"
        case .deleted:
            return record.trash.map { "in the trash until \($0.purgeAt)" }
                ?? "its data is deleted"
        }
    }
}

/// Which WAL is held, judged by names: fast, and right about what is missing, not about damage.
struct WALCoverage {
    private let numbers: [UInt64]
    private let losses: [WALHoldings.Loss]
    private let size: WALSegmentSize

    init(_ archive: WALArchive, losses: [WALHoldings.Loss]) {
        numbers = Set(archive.segments.map(\.number)).sorted()
        self.losses = losses
        size = archive.segmentSize
    }

    /// True when every segment the point needs to become consistent is there.
    func carries(_ point: RecoveryPoint) -> Bool {
        let first = point.startLSN.rawValue / size.bytes
        let last = max(point.stopLSN.rawValue, 1) - 1
        return (first...max(first, last / size.bytes)).allSatisfy(isHeld)
    }

    /// True when WAL behind the point's end is missing: a hole between segments, or a loss known.
    func hasGap(after point: RecoveryPoint) -> Bool {
        if losses.contains(where: { $0.end > point.stopLSN && $0.cause != .pruned }) { return true }
        let first = point.startLSN.rawValue / size.bytes
        let behind = numbers.filter { $0 >= first }
        return zip(behind, behind.dropFirst()).contains { $1 != $0 + 1 }
    }

    private func isHeld(_ number: UInt64) -> Bool {
        var low = numbers.startIndex
        var high = numbers.endIndex
        while low < high {
            let middle = (low + high) / 2
            if numbers[middle] < number { low = middle + 1 } else { high = middle }
        }
        return low < numbers.endIndex && numbers[low] == number
    }
}

extension Protection.FailedJob {
    /// The drill of a proof that found its copy unsound; nil for one that did not.
    fileprivate init?(unsound proof: PointProof) {
        guard !proof.isSound else { return nil }
        self.init(
            id: proof.drill.description,
            at: proof.at,
            code: ErrorCode.drillUnsound.name
        )
    }
}

extension Protection.Stream {
    /// What a living stream tells of itself.
    fileprivate init(_ status: StreamStatus, behindSeconds: Double) {
        self.init(
            isConnected: status.isConnected,
            lagSeconds: behindSeconds,
            failure: status.failure,
            pause: status.pause,
            slotWarning: status.slotPressure?.warning
        )
    }
}
