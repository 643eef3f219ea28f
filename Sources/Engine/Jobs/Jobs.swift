public import Domain
import Logging
import Platform
public import Vaulting

/// The jobs of a vault, as commands name them.
public enum Jobs {
    /// Days after which the record of an ended job is deleted.
    public static let keptDays = 90

    /// Jobs that run or wait, and those that ended since `moment` (nil: ever), oldest first.
    ///
    /// One whose process is gone is closed as failed by this, so it is listed as that.
    public static func list(
        _ context: JobContext,
        since moment: Timestamp? = nil,
        instance: InstanceName? = nil,
        states: Set<JobState>? = nil,
        kinds: Set<JobKind>? = nil
    ) throws -> [JobRecord] {
        try JobStore(context.vault).list(since: moment)
            .map { try closed($0, context) }
            .filter { record in
                (instance.map { record.instance == $0 } ?? true)
                    && (states?.contains(record.state) ?? true)
                    && (kinds?.contains(record.kind) ?? true)
            }
    }

    /// The one job whose id begins with `text`.
    ///
    /// Throws `.notFound` when there is none, `.usage` when there are several.
    public static func find(_ context: JobContext, _ text: String) throws -> JobRecord {
        let store = JobStore(context.vault)
        let found = text.isEmpty ? [] : try store.ids(beginning: text)
        guard let id = found.first, let record = try store.read(id) else {
            throw PgkeepError(
                .notFound,
                "there is no job \(text)",
                hint: "list them with pgkeep job list --all"
            )
        }
        guard found.count == 1 else {
            throw PgkeepError(
                .usage,
                "\(found.count) jobs begin with \(text)",
                hint: "give more digits of the one you mean"
            )
        }
        return try closed(record, context)
    }

    /// A job as it is now, closed when its process is gone.
    public static func read(_ context: JobContext, _ id: JobID) throws -> JobRecord? {
        try JobStore(context.vault).read(id).map { try closed($0, context) }
    }

    /// Has a job end: a queued one at once, a running one as soon as its process has seen the wish.
    ///
    /// Returns the job as it is now. Throws `.notFound`, `.refused` for one that has ended.
    public static func cancel(_ context: JobContext, _ text: String) throws -> JobRecord {
        var record = try find(context, text)
        let store = JobStore(context.vault)
        if record.state == .queued {
            record.holder = .current()
            if try store.begin(record) {
                record.state = .cancelled
                record.endedAt = context.clock.now
                record.message = "cancelled by \(ActivityLog.actor) before it began"
                record.errorCode = ErrorCode.cancelled.name
                guard try store.end(record) else { return try find(context, text) }
                return record
            }
            record = try find(context, text)
        }
        guard !record.state.isEnd else {
            throw PgkeepError(
                .refused,
                "job \(record.id) has ended already: \(record.state.rawValue)",
                hint: "nothing is left to cancel"
            )
        }
        try store.requestStop(record.id, by: ActivityLog.actor)
        return record
    }

    /// Deletes records of jobs that ended long ago; closes those whose processes are gone.
    public static func prune(_ context: JobContext, now: Timestamp? = nil) throws {
        let now = now ?? context.clock.now
        _ = try list(context, since: now)
        let removed = try JobStore(context.vault).removeEnded(
            before: now.adding(seconds: -Int64(keptDays) * 86400)
        )
        if removed > 0 {
            context.log.info("old job records deleted", metadata: ["count": "\(removed)"])
        }
    }

    /// The record, closed as failed when its process is gone.
    private static func closed(_ record: JobRecord, _ context: JobContext) throws -> JobRecord {
        let now = context.clock.now
        guard record.isDead(now: now) else { return record }
        var ended = record
        ended.state = .failed
        ended.endedAt = record.beatAt ?? now
        ended.etaSeconds = nil
        ended.errorCode = ErrorCode.unexpected.name
        let phase = record.phases.last?.name ?? "start"
        ended.message =
            "process \(record.holder.process) on \(record.host) ended without a word in phase "
            + phase
        ended.retryable = true
        let store = JobStore(context.vault)
        do {
            // It may have come to its own end since it was read.
            if try store.end(ended) { return ended }
            return try store.read(record.id) ?? ended
        } catch {
            context.log.debug("job not closed", metadata: ["job": "\(record.id)"])
            return ended
        }
    }
}
