public import Domain
import Logging
import Platform
import Vaulting

/// Runs work as a job: visible to everybody while it runs, on record when it has ended.
public enum Job {
    /// Runs `body` as a job of its own, or as the queued one named.
    ///
    /// The record shows the phases that `context.meter` goes through. It ends as `completed`, with
    /// warnings as `completed-warning`; as `cancelled`, `skipped` (another was at the same before
    /// this one had done anything) or `failed` when `body` throws, whose error is thrown on. A wish
    /// to cancel (`job cancel`, from any host) cancels `context.token`.
    ///
    /// - Parameters:
    ///   - trigger: why: `initial`, `manual`, `scheduled`.
    ///   - queued: the id `queue` gave. Throws `.busy` when another process has taken it.
    ///   - isQuiet: keep nothing of a run that ended well and had nothing to do.
    public static func run<Result>(
        _ context: JobContext,
        kind: JobKind,
        instance: InstanceName?,
        trigger: String,
        queued: JobID? = nil,
        isQuiet: Bool = false,
        _ body: (JobHandle) throws -> Result
    ) throws -> Result {
        let now = context.clock.now
        var record = JobRecord(
            id: queued ?? JobStore.newID(at: now),
            kind: kind,
            instance: instance,
            trigger: trigger,
            state: .running
        )
        record.startedAt = now
        record.beatAt = now
        if queued != nil { record.queuedAt = record.id.time }
        let reporter = JobReporter(context, record, isQuiet: isQuiet && queued == nil)
        let handle = JobHandle(
            reporter,
            context: JobContext(
                vault: context.vault,
                clock: context.clock,
                log: reporter.log.following(context.log),
                meter: context.meter,
                token: context.token,
                pace: context.pace
            )
        )
        var hasBegun = false
        do {
            let result = try reporter.watching {
                hasBegun = true
                return try body(handle)
            }
            // A stream ends in good order when it is told to.
            reporter.end(kind == .stream && reporter.isStopped ? .cancelled : .completed)
            return result
        } catch {
            if hasBegun { end(reporter, error) }
            throw error
        }
    }

    private static func end(_ reporter: JobReporter, _ error: any Error) {
        let code = (error as? PgkeepError)?.code ?? .unexpected
        let hint = (error as? PgkeepError)?.hint ?? ""
        // Looked at before the record is locked for its end.
        let isWanted = reporter.isStopped
        let outcome: JobState =
            switch code {
            case .cancelled: .cancelled
            case .busy where reporter.isIdle: .skipped
            default: .failed
            }
        reporter.log.add("\(outcome.rawValue): \(error)")
        if !hint.isEmpty { reporter.log.add("→ \(hint)") }
        reporter.end(outcome) { record in
            record.errorCode = code.name
            record.message = Redaction.withoutPasswords(oneLine("\(error)"))
            // Cut off by a signal, as by the end of its host, it is to be made up.
            record.retryable =
                outcome == .failed && (code.exit == .unreachable || code.exit == .busy)
                || outcome == .cancelled && !isWanted
            if outcome == .skipped { record.skipReason = "busy" }
        }
    }

    private static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }

    /// Puts on record that a job was due and not done, and why.
    ///
    /// - Parameter reason: `no-change`, `busy`, `server-stopped`, `outside-hours`.
    @discardableResult
    public static func recordSkipped(
        _ context: JobContext,
        kind: JobKind,
        instance: InstanceName?,
        trigger: String,
        reason: String
    ) throws -> JobID {
        let now = context.clock.now
        var record = JobRecord(
            id: JobStore.newID(at: now),
            kind: kind,
            instance: instance,
            trigger: trigger,
            state: .skipped
        )
        record.startedAt = now
        record.endedAt = now
        record.skipReason = reason
        _ = try JobStore(context.vault).end(record)
        return record.id
    }

    /// Asks for a job that whoever is free shall run, by `run(queued:)`.
    public static func queue(
        _ context: JobContext,
        kind: JobKind,
        instance: InstanceName?,
        trigger: String
    ) throws -> JobID {
        let now = context.clock.now
        var record = JobRecord(
            id: JobStore.newID(at: now),
            kind: kind,
            instance: instance,
            trigger: trigger,
            state: .queued
        )
        record.queuedAt = now
        try JobStore(context.vault).queue(record)
        return record.id
    }
}
