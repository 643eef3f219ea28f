import Domain
import Logging
import Platform
import Synchronization

/// The last lines of a job's log, kept for its record while they also go where they always go.
final class JobLog: Sendable {
    private let clock: any Clock
    private let kept = Mutex<[String]>([])

    /// Lines a record keeps, and characters of each.
    private static let max = (lines: 20, characters: 400)

    init(clock: any Clock) { self.clock = clock }

    /// The lines, oldest first.
    var lines: [String] { kept.withLock { $0 } }

    /// Keeps a line. What looks like a password is taken out: the vault is read by other people.
    func add(_ text: String) {
        let line = Redaction.withoutPasswords("\(clock.now) \(text)").prefix(Self.max.characters)
        kept.withLock { kept in
            kept.append(String(line))
            if kept.count > Self.max.lines { kept.removeFirst() }
        }
    }

    /// A log that writes to `log` and here.
    func following(_ log: Logger) -> Logger {
        var both = log
        both.handler = Handler(base: log.handler, kept: self)
        return both
    }

    private struct Handler: LogHandler {
        var base: any LogHandler
        let kept: JobLog

        /// A record tells more than a terminal that was asked to be quiet.
        var logLevel: Logger.Level {
            get { min(base.logLevel, .info) }
            set { base.logLevel = newValue }
        }

        var metadata: Logger.Metadata {
            get { base.metadata }
            set { base.metadata = newValue }
        }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { base[metadataKey: key] }
            set { base[metadataKey: key] = newValue }
        }

        func log(event: LogEvent) {
            if event.level >= base.logLevel { base.log(event: event) }
            guard event.level >= .info else { return }
            let details = (event.metadata ?? [:]).sorted { $0.key < $1.key }
                .map { " \($0.key)=\($0.value)" }.joined()
            kept.add("\(event.level.rawValue): \(event.message)\(details)")
        }
    }
}
