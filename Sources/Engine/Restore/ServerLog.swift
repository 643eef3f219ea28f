public import Domain

/// What the log of a recovering server says, line by line, in the C locale.
///
/// Source of the texts: PostgreSQL's xlog.c, xlogrecovery.c and postmaster.c, 13–18.
public struct ServerLog: Sendable {
    /// The last WAL file the server fetched.
    public private(set) var fetched: String?
    /// Where replay ended, once it has.
    public private(set) var redoneUpTo: LSN?
    /// The time of the last replayed commit or abort, as the server prints it.
    public private(set) var lastTransaction: String?
    /// The timeline the server chose for its own future.
    public private(set) var newTimeline: TimelineID?
    /// True when recovery waits at its target.
    public private(set) var isPaused = false
    /// True when recovery has ended and the server takes connections that write.
    public private(set) var acceptsWrites = false
    /// Why the server gave up, first line and its hint.
    public private(set) var failure: String?

    /// A log without lines.
    public init() {}

    /// Takes one line in.
    public mutating func read(_ line: some StringProtocol) {
        let text = String(line)
        if let rest = text.after("restored log file \"") {
            fetched = String(rest.prefix { $0 != "\"" })
        } else if let rest = text.after("redo done at ") {
            redoneUpTo = LSN(rest.prefix { !$0.isWhitespace })
        } else if let rest = text.after("last completed transaction was at log time ") {
            lastTransaction = String(rest)
        } else if let rest = text.after("selected new timeline ID: ") {
            newTimeline = TimelineID(rest.prefix { $0.isNumber })
        } else if text.contains("database system is ready to accept connections") {
            acceptsWrites = true
        } else if text.contains("recovery has paused") || text.contains("pausing at the end of") {
            isPaused = true
        } else if let rest = text.after("FATAL:  ") ?? text.after("PANIC:  ") {
            // Clients that come too early are told so as FATAL; that is no failure of the server.
            if !rest.contains("the database system is ") { failure = failure ?? String(rest) }
        }
    }
}

extension String {
    /// What follows the first occurrence of `marker`; nil when it does not occur.
    fileprivate func after(_ marker: String) -> Substring? {
        let needle = Array(marker.utf8)
        let bytes = utf8
        var start = bytes.startIndex
        while let candidate = bytes[start...].firstIndex(of: needle[0]) {
            if bytes[candidate...].starts(with: needle) {
                return self[bytes.index(candidate, offsetBy: needle.count)...]
            }
            start = bytes.index(after: candidate)
        }
        return nil
    }
}
