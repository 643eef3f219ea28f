import Platform
import Synchronization

/// All that people see, on stderr: whole lines from any thread, and at most one status line that
/// stays at the bottom of a terminal.
final class Screen: Sendable {
    /// Whether there is a terminal to redraw a line on.
    let isTerminal = Terminal.isTerminal(.errors)
    private let status = Mutex("")

    private static let clear = "\r\u{1b}[K"

    /// Writes a line above the status line.
    func line(_ text: String) {
        status.withLock { status in
            let plain = Self.printable(text) + "\n"
            Terminal.write(status.isEmpty ? plain : Self.clear + plain + status, to: .errors)
        }
    }

    /// Redraws the status line, cut to the terminal's width; empty text removes it.
    func showStatus(_ text: String) {
        guard isTerminal else { return }
        status.withLock { status in
            let known = Terminal.columns(.errors)
            let columns = known == 0 ? 80 : max(known, 20)
            let cut = String(Self.printable(text).prefix(columns - 1))
            guard cut != status else { return }
            status = cut
            Terminal.write(Self.clear + cut, to: .errors)
        }
    }

    /// Names of files and messages of servers may hold anything, also what moves a cursor.
    private static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            result.unicodeScalars.append(isControl(scalar) ? "?" : scalar)
        }
        return result
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.generalCategory == .control
    }
}
