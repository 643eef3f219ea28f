public import Domain
public import Platform

/// A clock that moves only when told to.
public final class ManualClock: Platform.Clock {
    private let state: Condition<Timestamp>
    private let origin: Timestamp

    /// Stands at `start`, 2026-01-01 00:00:00 UTC unless given.
    public init(_ start: Timestamp = Timestamp(microseconds: 1_767_225_600_000_000)) {
        state = Condition(start)
        origin = start
    }

    /// Where it stands.
    public var now: Timestamp { state.read { $0 } }

    /// Seconds moved since it was made.
    public var monotonicSeconds: Double {
        Double(now.microseconds - origin.microseconds) / 1e6
    }

    /// Moves on by `seconds`.
    public func advance(seconds: Double) {
        state.change { $0 = Timestamp(microseconds: $0.microseconds + Int64(seconds * 1e6)) }
    }

    /// Jumps to `time`.
    public func set(_ time: Timestamp) { state.change { $0 = time } }
}
