/// A NOTICE or WARNING the server sent beside its answers.
public struct Notice: Hashable, Sendable, CustomStringConvertible {
    /// `WARNING`, `NOTICE`, …, never localised.
    public var severity: String
    /// Five characters.
    public var sqlstate: String
    /// One line.
    public var message: String

    /// A notice as the server sends it.
    public init(severity: String, sqlstate: String, message: String) {
        self.severity = severity
        self.sqlstate = sqlstate
        self.message = message
    }

    /// Severity and message.
    public var description: String { "\(severity): \(message)" }
}

/// Where a connection's notices are kept, up to a limit: a storm of them must not fill the memory.
final class NoticeCollector {
    static let limit = 1000

    private(set) var notices: [Notice] = []
    private(set) var dropped = 0

    func add(_ notice: Notice) {
        if notices.count < Self.limit { notices.append(notice) } else { dropped += 1 }
    }

    /// Everything since the last call.
    func take() -> [Notice] {
        defer { (notices, dropped) = ([], 0) }
        guard dropped > 0 else { return notices }
        let rest = Notice(
            severity: "WARNING",
            sqlstate: "01000",
            message: "\(dropped) more messages were dropped"
        )
        return notices + [rest]
    }
}
