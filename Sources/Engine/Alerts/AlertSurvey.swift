import Domain
import Logging
import Platform
import Storage
import Vaulting

/// What there is to know for alerts, read from the vault alone: names, roots, leases, records. No
/// data, no server.
struct AlertSurvey {
    private struct Instance {
        var record: InstanceRecord
        /// Nil when it could not be looked at, for `failure`.
        var status: InstanceStatus?
        var damagedPacks: Int
        var losses: [WALHoldings.Loss] = []
        var failure: PgkeepError?
    }

    private var instances: [Instance] = []
    /// Instances whose records cannot be read.
    private var unreadable: [InstanceName] = []
    private var free: (bytes: UInt64, total: UInt64)?
    private var jump: ClockMark.Jump?
    private var aheadSeconds: Double = 0
    private var entries: [(number: UInt64, entry: ActivityEntry?)] = []
    private var activityHead: UInt64
    private let ended: [JobVerdict]

    /// Reads what is there now; of jobs and activity what `board` has not taken in.
    init(_ context: JobContext, _ board: AlertBoard) throws {
        let now = context.clock.now
        ended = try JobOutcomes.read(context, since: board.jobsWanted(now: now))
        let log = ActivityLog(context.vault, context.clock)
        activityHead = try log.head()
        if let seen = board.activitySeen, seen < activityHead {
            entries = try log.entries(after: seen, limit: SecurityEvents.entriesMax)
            activityHead = entries.last?.number ?? activityHead
        }
        let usage = try VaultUsage(context.vault)
        let quotas = try Quota.list(context)
        let (records, damaged) = try Instances.readable(context)
        unreadable = damaged.map(\.name)
        for record in records {
            instances.append(try Self.look(context, record, usage, quotas))
            let beats = try Lease.listReadable(context.vault, record.systemIdentifier)
                .map { $0.beatAt.seconds(since: now) }
            aheadSeconds = max(aheadSeconds, beats.max() ?? 0)
        }
        free = try context.vault.store.space().map { ($0.freeBytes, $0.totalBytes) }
        jump = try ClockMark.read(context)?.jump
    }

    private static func look(
        _ context: JobContext,
        _ record: InstanceRecord,
        _ usage: VaultUsage,
        _ quotas: [SystemIdentifier: StorageQuota]
    ) throws -> Instance {
        let system = record.systemIdentifier
        do {
            let status = try InstanceStatus.read(
                context,
                record,
                objects: usage.instances[system] ?? VaultUsage.Instance(),
                quota: quotas[system] ?? .standard
            )
            let packs = try DamageRecord.packs(context.vault, system).count
            return Instance(
                record: record,
                status: status,
                damagedPacks: packs,
                losses: try LossRecord.list(context.vault, system)
            )
        } catch let error as PgkeepError where error.code != .storeUnreachable {
            context.log.debug("not judged", metadata: ["instance": "\(record.name)"])
            return Instance(record: record, status: nil, damagedPacks: 0, failure: error)
        }
    }

    // MARK: Judging

    /// Takes what was read into the board; what has changed.
    func judge(_ board: inout AlertBoard, now: Timestamp) -> [AlertBoard.Change] {
        board.takeIn(ended, now: now)
        board.forgetJobs(but: Set(instances.map(\.record.name) + unreadable))
        let unknown = Set(instances.filter { $0.status == nil }.map(\.record.name) + unreadable)
        return board.look(
            conditions(board, now: now),
            events: events(&board),
            now: now,
            isUnknown: { alert in
                alert.kind != .damageFound && alert.instance.map { unknown.contains($0) } ?? false
            }
        )
    }

    private func events(_ board: inout AlertBoard) -> [AlertCondition] {
        // What was done before anybody looked is history.
        let seen = board.activitySeen ?? activityHead
        board.activitySeen = max(seen, activityHead)
        return SecurityEvents.joined(
            entries.filter { $0.number > seen }.compactMap { number, entry in
                guard let entry else {
                    return AlertCondition(
                        .guardChanged,
                        "entry \(number) of the activity log cannot be read",
                        next: "pgkeep activity verify"
                    )
                }
                return SecurityEvents.event(entry)
            }
        )
    }

    private func conditions(_ board: AlertBoard, now: Timestamp) -> [AlertCondition] {
        var found: [AlertCondition] = []
        for instance in instances {
            found += WindowGaps.conditions(
                instance.record.name,
                instance.losses,
                segmentSize: instance.record.segmentSize
            )
            if let status = instance.status {
                found +=
                    InstanceConditions(
                        instance.record,
                        status,
                        damagedPacks: instance.damagedPacks,
                        board: board,
                        now: now
                    ).all
            } else if let failure = instance.failure {
                found.append(
                    AlertCondition(
                        .damageFound,
                        instance: instance.record.name,
                        "\(instance.record.name): it cannot be judged: \(failure.message)",
                        next: "pgkeep vault check --instance \(instance.record.name)"
                    )
                )
            }
        }
        found += unreadable.map { name in
            AlertCondition(
                .damageFound,
                instance: name,
                "\(name): its record is damaged, so it is not cared for",
                next: "pgkeep vault check --instance \(name)"
            )
        }
        found += upkeep(board) + space + clocks
        found += board.failingChannels.map { channel, reason in
            AlertCondition(
                .deliveryFailed,
                subject: channel,
                "the channel \(channel) does not take notifications: \(reason)",
                next: "pgkeep notify test \(channel)"
            )
        }
        return found
    }

    private func upkeep(_ board: AlertBoard) -> [AlertCondition] {
        board.verdicts.filter { $0.state == .failed && [.check, .prune].contains($0.kind) }
            .map { verdict in
                let isDamage =
                    verdict.kind == .check && verdict.errorCode == ErrorCode.integrity.name
                let why = verdict.message ?? verdict.errorCode ?? "no reason is known"
                return AlertCondition(
                    isDamage ? .damageFound : .upkeepFailed,
                    instance: verdict.instance,
                    subject: isDamage
                        ? nil
                        : "\(verdict.kind.rawValue)"
                            + (verdict.instance.map { ":\($0)" } ?? ""),
                    "the \(verdict.kind.rawValue) of \(verdict.at) failed: \(why)",
                    next: "pgkeep job show \(verdict.job)"
                )
            }
    }

    private var space: [AlertCondition] {
        guard let free else { return [] }
        let growth = instances.compactMap(\.status?.growthPerDay).reduce(0, +)
        let days = growth > 0 ? free.bytes / growth : .max
        let share = Double(free.bytes) / Double(max(free.total, 1))
        let isCritical =
            days < AlertLimits.spaceCriticalDays || share < AlertLimits.spaceCriticalShare
        guard isCritical || days < AlertLimits.spaceWarningDays else { return [] }
        let left = growth > 0 ? ", enough for \(days) days like the last" : ""
        return [
            AlertCondition(
                .vaultSpaceLow,
                severity: isCritical ? .critical : .warning,
                "the vault's storage has \(free.bytes >> 20) MiB left\(left)",
                next: "pgkeep vault forecast, pgkeep vault prune"
            )
        ]
    }

    private var clocks: [AlertCondition] {
        if let jump {
            return [
                AlertCondition(
                    .clockSkew,
                    "the clock went from \(jump.from) to \(jump.to) with no sign that the time has"
                        + " passed; nothing expires meanwhile",
                    next: "pgkeep doctor; pgkeep vault prune --trust-clock when it is right"
                )
            ]
        }
        guard aheadSeconds > AlertLimits.skewSeconds else { return [] }
        return [
            AlertCondition(
                .clockSkew,
                "another host's clock is \(Int(aheadSeconds)) s ahead of this one's",
                next: "pgkeep doctor"
            )
        ]
    }
}
