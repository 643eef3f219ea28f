import Domain
import Logging
import Platform
import Vaulting

/// Keeps the record of one running job up to date, on a thread of its own.
///
/// A record is for people: whatever keeps it from being written is logged once and never keeps the
/// job from being done.
final class JobReporter: Sendable {
    private struct State {
        var record: JobRecord
        var estimate: JobEstimate
        var isOver = false
        var isLost = false
        var isStopped = false

        mutating func endPhase(_ progress: Progress, _ now: Timestamp) {
            guard let last = record.phases.indices.last else { return }
            record.phases[last].endedAt = now
            record.phases[last].bytes = progress.doneBytes
            record.doneBytes = progress.doneBytes
            record.totalBytes = progress.totalBytes
        }
    }

    let id: JobID
    let log: JobLog
    private let context: JobContext
    private let store: JobStore
    private let state: Condition<State>
    /// Held while the object is put, so that an older state never replaces a newer one.
    private let writing = Condition(())
    private let begunSeconds: Double
    /// True for jobs of which nothing is kept when they had nothing to do.
    private let isQuiet: Bool

    init(_ context: JobContext, _ record: JobRecord, isQuiet: Bool) {
        id = record.id
        self.context = context
        self.isQuiet = isQuiet
        store = JobStore(context.vault)
        log = JobLog(clock: context.clock)
        begunSeconds = context.clock.monotonicSeconds
        state = Condition(
            State(
                record: record,
                estimate: JobEstimate(
                    record.kind,
                    at: begunSeconds,
                    rates: Self.rates(context, record)
                )
            )
        )
    }

    /// What drills have measured of restores; nothing is worth a restore that is not begun.
    private static func rates(_ context: JobContext, _ record: JobRecord) -> RestoreRates {
        guard [.restore, .drill].contains(record.kind), let name = record.instance,
            let instance = try? Instances.findAny(context, name),
            let rates = try? Drills.rates(context, instance.systemIdentifier)
        else { return .assumed }
        return rates
    }

    // MARK: - What the job says

    func warn(_ text: String) {
        let text = Redaction.withoutPasswords(text)
        state.change { $0.record.warnings.append(text) }
        log.add("warning: \(text)")
    }

    func setPoint(_ point: PointID) { state.change { $0.record.point = point } }

    /// True when the operator asked by `job cancel`.
    var isStopped: Bool { state.read { $0.isStopped } }

    /// True when no phase has done anything yet.
    var isIdle: Bool {
        let now = context.meter.progress.doneBytes
        return state.read { state in
            now == 0 && state.record.phases.allSatisfy { $0.bytes == 0 }
        }
    }

    // MARK: - Watching

    /// Puts the first record and runs `body` while others can see how far it is.
    ///
    /// Throws `.busy`, before anything is done, when another process has the job, or it has ended.
    func watching<Result>(_ body: () throws -> Result) throws -> Result {
        context.meter.watch { [weak self] ended, next in self?.begin(next, after: ended) }
        defer { context.meter.unwatch() }
        let isMine = isQuiet ? true : attempt { try store.begin(current()) } ?? true
        guard isMine else {
            throw PgkeepError(
                .busy,
                "job \(id) is being done by another process, or has ended",
                hint: "look at it with pgkeep job show \(id)"
            )
        }
        let thread = context.pace == .none ? nil : Thread<Void>("job") { [self] in beat() }
        defer {
            state.change { $0.isOver = true }
            try? thread?.join()
        }
        return try body()
    }

    private func begin(_ phase: String, after ended: Progress) {
        let now = context.clock.now
        let seconds = context.clock.monotonicSeconds
        state.change { state in
            state.endPhase(ended, now)
            state.record.phases.append(JobRecord.Phase(name: phase, startedAt: now))
            state.estimate.begin(phase, at: seconds)
        }
    }

    private func beat() {
        while state.wait(seconds: pause, until: { $0.isOver ? true : nil }) == nil {
            attempt { try writing.change { _ in try store.update(current()) } }
            guard !isStopped, let by = (try? store.stopRequest(id)).flatMap({ $0 }) else {
                continue
            }
            state.change { $0.isStopped = true }
            log.add("cancelled by \(by)")
            context.token.cancel("cancelled by \(by) with job cancel")
        }
    }

    /// Seconds to the next sign: short for what is watched, calm for what runs for hours.
    private var pause: Double {
        min(max((context.clock.monotonicSeconds - begunSeconds) / 30, 1), 10)
    }

    /// The record as it is now.
    private func current() -> JobRecord {
        let progress = context.meter.progress
        let planned = context.meter.planned
        let seconds = context.clock.monotonicSeconds
        let lines = log.lines
        return state.change { state in
            let now = context.clock.now
            let result = state.estimate.update(progress, planned: planned, at: seconds)
            state.record.percent = (result.percent * 10).rounded(.down) / 10
            state.record.etaSeconds = result.eta.map { ($0 * 10).rounded() / 10 }
            state.record.rate = result.rate.map { $0.rounded() }
            if let last = state.record.phases.indices.last,
                state.record.phases[last].name == progress.phase
            {
                state.record.doneBytes = progress.doneBytes
                state.record.totalBytes = progress.totalBytes
                state.record.phases[last].bytes = progress.doneBytes
            }
            state.record.beatAt = now
            state.record.logTail = lines
            return state.record
        }
    }

    // MARK: - The end

    /// Writes how the job ended. Once.
    func end(_ outcome: JobState, _ change: (inout JobRecord) -> Void = { _ in }) {
        let progress = context.meter.progress
        let now = context.clock.now
        let lines = log.lines
        let record = state.change { state in
            precondition(state.record.state.canBecome(outcome))
            if state.record.phases.last?.name == progress.phase { state.endPhase(progress, now) }
            let isWarned = outcome == .completed && !state.record.warnings.isEmpty
            state.record.state = isWarned ? .completedWarning : outcome
            if outcome.isSuccess { state.record.percent = 100 }
            state.record.etaSeconds = outcome.isSuccess ? 0 : nil
            state.record.endedAt = now
            state.record.beatAt = now
            state.record.logTail = lines
            change(&state.record)
            return state.record
        }
        let hasDone = record.state != .completed || record.phases.contains { $0.bytes > 0 }
        guard !isQuiet || hasDone else {
            attempt { try store.withdraw(id) }
            return
        }
        let isMine = attempt { try store.end(record) } ?? true
        if !isMine {
            context.log.warning(
                "the job was recorded as failed meanwhile: this process looked dead",
                metadata: ["job": "\(id)"]
            )
        }
    }

    @discardableResult
    private func attempt<Result>(_ body: () throws -> Result) -> Result? {
        do {
            return try body()
        } catch {
            let isFirst = state.change { state in
                defer { state.isLost = true }
                return !state.isLost
            }
            if isFirst {
                context.log.warning(
                    "the job's record cannot be written; the job goes on",
                    metadata: ["job": "\(id)", "reason": "\(error)"]
                )
            }
            return nil
        }
    }
}
