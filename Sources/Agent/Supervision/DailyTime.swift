public import Domain

/// The moment of the day from which daily work is due.
///
/// Told by the wall clock and by when the work was last begun, so a clock that steps makes it run
/// once too often at worst, and an agent that was down makes up for one run, not for all.
public struct DailyTime: Hashable, Sendable {
    /// Minutes after midnight, UTC.
    public var minute: Int

    /// A time of the day. Needs 0 to 1439.
    public init(minute: Int) {
        precondition((0..<1440).contains(minute))
        self.minute = minute
    }

    /// Reads `hh:mm`; nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.utf8.count == 2 }),
            parts.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } }),
            let hour = Int(parts[0]), let minute = Int(parts[1]), hour < 24, minute < 60
        else { return nil }
        self.minute = hour * 60 + minute
    }

    /// The last such moment at or before `now`.
    public func last(before now: Timestamp) -> Timestamp {
        let offset = Int64(minute) * 60
        let since = now.seconds - offset
        let day = since >= 0 ? since / 86400 : (since - 86399) / 86400
        return Timestamp(seconds: day * 86400 + offset)
    }

    /// When the work is due that was last begun at `begun` (nil: never), `delay` seconds late on
    /// purpose: a moment that may have passed already.
    public func due(lastBegun begun: Timestamp?, now: Timestamp, delay: Int64) -> Timestamp {
        let late = now.adding(seconds: -delay)
        let slot = last(before: late)
        // Begun ahead of now was begun by a clock that was wrong.
        guard let begun, begun >= slot, begun <= now else { return slot.adding(seconds: delay) }
        return slot.adding(seconds: 86400 + delay)
    }
}
