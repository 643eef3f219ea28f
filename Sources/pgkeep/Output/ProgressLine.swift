import Domain
import Engine
import Platform

/// Shows a job's progress while it runs: one line that is redrawn on a terminal, a line now and
/// then elsewhere.
final class ProgressLine {
    /// How it is shown.
    enum Style {
        /// One line, five times a second.
        case redrawn
        /// A line each ten seconds.
        case periodic
    }

    private static let periodSeconds = 10.0

    private let end = Condition(false)
    private let thread: Thread<Void>

    /// Begins to watch `meter`.
    init(_ meter: ProgressMeter, on screen: Screen, style: Style, clock: any Clock) {
        thread = Thread("progress") { [end] in
            var pace = ProgressPace()
            var shown = clock.monotonicSeconds
            while end.wait(seconds: 0.2, until: { $0 ? true : nil }) == nil {
                let progress = meter.progress
                let now = clock.monotonicSeconds
                pace.update(progress, at: now)
                // Before the first phase there is nothing to show, and maybe a prompt.
                if progress.phase == "start" { continue }
                switch style {
                case .redrawn: screen.showStatus(pace.text(progress))
                case .periodic:
                    guard now - shown >= Self.periodSeconds else { continue }
                    shown = now
                    screen.line(pace.text(progress))
                }
            }
            screen.showStatus("")
        }
    }

    /// Removes the line and ends the thread.
    func stop() {
        end.change { $0 = true }
        do { try thread.join() } catch { preconditionFailure("the progress line threw \(error)") }
    }
}
