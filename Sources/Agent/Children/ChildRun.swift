import Domain
import Logging
import Platform

/// One run of a chore's command as a child process, on a thread of its own.
struct ChildRun {
    /// The program, an absolute path.
    var program: String
    /// Its arguments.
    var words: [String]
    /// Variables beyond this process' own.
    var variables: [String: String]
    var clock: any Clock
    /// Where its lines go; carries its labels.
    var log: Logger

    /// Bytes of an answer that are read; a longer one is not understood.
    private static let answerBytesMax = 1 << 20

    /// Starts the thread; `began` and `ended` are called on it.
    func start(
        _ chore: Chore,
        began: @escaping @Sendable (ChildProcess) -> Void,
        ended: @escaping @Sendable (RunReport) -> Void
    ) {
        _ = Thread<Void>("child") { [self] in
            do {
                let child = try ChildProcess(program, words, variables: variables)
                began(child)
                ended(follow(child, chore))
            } catch {
                ended(RunReport(failure: .broken, words: "\(error)"))
            }
        }
    }

    private func follow(_ child: ChildProcess, _ chore: Chore) -> RunReport {
        var words = ""
        let (end, output) = child.wait(outputLimit: Self.answerBytesMax) { text in
            let line = ChildLine(text)
            if line.isFailure { words = line.message }
            log.log(
                level: line.level,
                "\(line.message)",
                metadata: line.metadata.mapValues { .string($0) }
            )
        }
        var report = RunReport(failure: nil, words: words)
        switch end {
        case .exited(ExitStatus.ok.rawValue): break
        case .exited(let code):
            report.failure = Self.failure(code)
            if words.isEmpty { report.words = "it ended with exit code \(code)" }
        case .killed(let number):
            report.failure = .broken
            report.words = "it was ended by signal \(number)"
        }
        if chore.id.kind == .due { note(DueAnswer(output), &report) }
        return report
    }

    /// Backups that fail have their own rhythm of tries, which the answer tells.
    private func note(_ answer: DueAnswer?, _ report: inout RunReport) {
        guard let answer else { return }
        report.nextSeconds = answer.secondsToLook(clock.now)
        if report.failure == .broken { report.failure = .unreachable }
        switch answer.outcome {
        case "completed": log.notice("a backup was taken")
        case "skipped":
            // Said by every look at a server that is stopped; the job record tells it once.
            log.debug("a backup was skipped", metadata: ["reason": "\(answer.skipReason ?? "")"])
        default: break
        }
    }

    private static func failure(_ code: Int32) -> RestartRule.Failure {
        switch ExitStatus(rawValue: code) {
        case .unreachable: .unreachable
        case .busy: .busy
        default: .broken
        }
    }
}
