import ArgumentParser
import Domain
import Engine
import Platform

/// A command that does something: it answers with a value, which is shown as JSON or in words.
protocol Verb: ParsableCommand {
    associatedtype Answer: Encodable

    var global: GlobalOptions { get }

    /// Does the work. Blocks until it is done; progress goes to the session's meter.
    func answer(_ session: Session) throws -> Answer

    /// The answer in words.
    func lines(_ answer: Answer) -> [String]

    /// The failure an answer tells of, for verbs that report what they found and fail for it.
    func failure(_ answer: Answer) -> PgkeepError?

    /// The exit code of a run whose answer tells of no failure.
    func exitStatus(_ answer: Answer) -> Int32

    /// Begins to watch for signals, before any thread starts.
    func watchSignals(_ session: Session)

    /// False for verbs whose work has no end to get nearer to.
    var showsProgress: Bool { get }
}

extension Verb {
    func failure(_ answer: Answer) -> PgkeepError? { nil }

    func exitStatus(_ answer: Answer) -> Int32 { ExitStatus.ok.rawValue }

    var showsProgress: Bool { true }

    /// Whoever starts many of us, as an agent does, may bound the time an orderly end takes.
    func watchSignals(_ session: Session) {
        Signals.cancelOnSignal(
            session.token,
            endSeconds: Environment.value("PGKEEP_STOP_SECONDS").flatMap { Int($0) }
        )
    }

    func run() throws {
        let session = try Session(global)
        // Before the first thread: all of them must inherit the mask.
        watchSignals(session)
        let answer = try withProgress(session) { try self.answer(session) }
        if global.json {
            Terminal.write(JSONText.document(answer), to: .output)
        } else {
            for line in lines(answer) { session.say(line) }
        }
        if let failure = failure(answer), let report = ErrorReport(failure) {
            for line in report.lines { session.screen.line(line) }
            throw ExitCode(report.exit)
        }
        let status = exitStatus(answer)
        if status != ExitStatus.ok.rawValue { throw ExitCode(status) }
    }

    private func withProgress(_ session: Session, _ body: () throws -> Answer) throws -> Answer {
        let style: ProgressLine.Style? =
            switch (session.screen.isTerminal, global.quiet || !showsProgress, global.verbose) {
            case (_, true, _): nil
            case (true, _, _): .redrawn
            case (false, _, true): .periodic
            case (false, _, false): nil
            }
        guard let style else { return try body() }
        let line = ProgressLine(
            session.meter,
            on: session.screen,
            style: style,
            clock: session.clock
        )
        defer { line.stop() }
        return try body()
    }
}
