import Domain
import Engine
import Logging
import Platform

/// Log lines: for people on a terminal, JSON lines everywhere else, unless told otherwise.
///
/// A JSON line is one flat object of texts: `time`, `level`, `message`, then what belongs to the
/// event. No password gets through.
struct ScreenLog: LogHandler {
    /// How lines look.
    enum Format: String, CaseIterable {
        /// For people.
        case text
        /// For programs.
        case json
    }

    let screen: Screen
    let clock: any Clock
    let format: Format
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]

    /// What is always there, in this order; a detail of such a name gets a low line behind it.
    private static let keys = ["time", "level", "message"]

    init(screen: Screen, clock: any Clock, logLevel: Logger.Level, format: Format? = nil) {
        self.screen = screen
        self.clock = clock
        self.logLevel = logLevel
        self.format = format ?? (screen.isTerminal ? .text : .json)
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }.mapValues {
            Redaction.withoutPasswords("\($0)")
        }
        let message = Redaction.withoutPasswords(event.message.description)
        guard format == .text else {
            var fields = zip(Self.keys, ["\(clock.now)", event.level.rawValue, message])
                .map { ($0, $1) }
            for (key, value) in all.sorted(by: { $0.key < $1.key }) {
                fields.append((Self.keys.contains(key) ? key + "_" : key, value))
            }
            let words = fields.map { "\(JSONText.line($0.0)):\(JSONText.line($0.1))" }
            screen.line("{\(words.joined(separator: ","))}")
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
