import Domain
import Logging
import Platform

/// Log lines: for people on a terminal, JSON lines everywhere else.
struct ScreenLog: LogHandler {
    let screen: Screen
    let clock: any Clock
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]

    private struct Line: Encodable {
        var time: Timestamp
        var level: String
        var message: String
        var details: [String: String]?
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }.mapValues {
            Redaction.withoutPasswords("\($0)")
        }
        let message = Redaction.withoutPasswords(event.message.description)
        guard screen.isTerminal else {
            let line = Line(
                time: clock.now,
                level: event.level.rawValue,
                message: message,
                details: all.isEmpty ? nil : all
            )
            screen.line(JSONText.line(line))
            return
        }
        let details = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        let mark = event.level >= .warning ? "\(event.level.rawValue): " : ""
        screen.line("\(Wording.time(clock.now)) \(mark)\(message)\(details)")
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }
}
