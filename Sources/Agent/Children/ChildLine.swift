import FoundationEssentials
public import Logging

/// A line a child wrote to its standard error: one of its log, or words for people.
public struct ChildLine: Hashable, Sendable {
    /// Its level; words for people are a notice.
    public var level: Logger.Level
    /// The message.
    public var message: String
    /// What belongs to it.
    public var metadata: [String: String]
    /// True when the child's failure is what it says.
    public var isFailure: Bool

    private static let failurePrefix = "pgkeep: "
    private static let hintPrefix = "  → "

    /// Reads a line.
    public init(_ line: String) {
        isFailure = false
        if line.hasPrefix("{"), let fields = Self.fields(line), let message = fields["message"] {
            self.message = message
            level = fields["level"].flatMap(Logger.Level.init(rawValue:)) ?? .notice
            metadata = fields.filter { !["time", "level", "message"].contains($0.key) }
            return
        }
        metadata = [:]
        if line.hasPrefix(Self.failurePrefix) {
            isFailure = true
            level = .debug
            message = String(line.dropFirst(Self.failurePrefix.count))
        } else if line.hasPrefix(Self.hintPrefix) {
            level = .debug
            message = String(line.dropFirst(Self.hintPrefix.count))
        } else {
            level = .notice
            message = line
        }
    }

    private static func fields(_ line: String) -> [String: String]? {
        try? JSONDecoder().decode([String: String].self, from: Data(line.utf8))
    }
}
