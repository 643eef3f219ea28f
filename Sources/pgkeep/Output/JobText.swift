import Domain
import Engine
import Platform
import Vaulting

/// Jobs in words.
enum JobText {
    /// One line: state, share, phase, bytes, speed, time left.
    static func line(_ job: JobRecord) -> String {
        guard job.state == .running else { return ended(job) }
        var parts = ["\(percent(job))", job.phases.last?.name ?? "begins"]
        if let total = job.totalBytes, total > 0 {
            parts.append("\(Wording.bytes(job.doneBytes)) of \(Wording.bytes(total))")
        } else if job.doneBytes > 0 {
            parts.append(Wording.bytes(job.doneBytes))
        }
        if let rate = job.rate, rate >= 1 {
            parts.append("\(Wording.bytes(UInt64(min(rate, 1e15))))/s")
        }
        if let eta = job.etaSeconds { parts.append("\(Wording.duration(eta)) left") }
        return parts.joined(separator: "  ")
    }

    private static func ended(_ job: JobRecord) -> String {
        var parts = ["\(percent(job))", job.state.rawValue]
        if let reason = job.skipReason { parts.append(reason) }
        if let message = job.message { parts.append(message) }
        return parts.joined(separator: "  ")
    }

    /// `42.5 %`
    static func percent(_ job: JobRecord) -> String {
        let tenths = Int((job.percent * 10).rounded(.down))
        return "\(tenths / 10).\(tenths % 10) %"
    }

    /// A table of jobs, newest last.
    static func table(_ jobs: [JobRecord]) -> [String] {
        var table = Table(
            ["ID", "KIND", "INSTANCE", "TRIGGER", "STATE", "TIME", "TOOK", ""],
            numbers: [6]
        )
        for job in jobs {
            let isOver = job.state.isEnd
            table.add([
                job.id.description, job.kind.rawValue, job.instance?.description ?? "",
                job.trigger, job.state.rawValue, Wording.time(job.startedAt ?? job.id.time),
                isOver ? duration(job) : "",
                isOver ? job.skipReason ?? job.errorCode ?? "" : line(job),
            ])
        }
        return table.lines
    }

    private static func duration(_ job: JobRecord) -> String {
        guard let start = job.startedAt, let end = job.endedAt else { return "" }
        return Wording.duration(end.seconds(since: start))
    }

    /// Everything about a job.
    static func facts(_ job: JobRecord) -> [String] {
        var facts = Facts()
        facts.add("job", job.id.description)
        facts.add("kind", job.kind.rawValue)
        facts.add("instance", job.instance?.description)
        facts.add("trigger", job.trigger)
        facts.add("state", job.state.rawValue + (job.retryable ? " (worth another try)" : ""))
        facts.add("progress", job.state == .running ? line(job) : percent(job))
        facts.add("queued", job.queuedAt.map(Wording.time))
        facts.add("began", job.startedAt.map(Wording.time))
        facts.add("ended", job.endedAt.map(Wording.time))
        facts.add("process", "\(job.holder.process) on \(job.host)")
        facts.add("point", job.point?.description)
        facts.add("skipped", job.skipReason)
        facts.add("error", job.errorCode.map { "\($0): \(job.message ?? "")" })
        var lines = facts.lines
        if !job.phases.isEmpty {
            var table = Table(["PHASE", "BEGAN", "TOOK", "BYTES"], numbers: [2, 3])
            for phase in job.phases {
                let took = phase.endedAt.map { $0.seconds(since: phase.startedAt) }
                table.add([
                    phase.name, Wording.time(phase.startedAt),
                    took.map(Wording.duration) ?? "", Wording.bytes(phase.bytes),
                ])
            }
            lines += [""] + table.lines
        }
        lines += job.warnings.map { "warning: \($0)" }
        if !job.logTail.isEmpty { lines += ["", "log:"] + job.logTail.map { "  \($0)" } }
        return lines
    }
}
