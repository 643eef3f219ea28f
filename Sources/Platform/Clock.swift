public import Domain
internal import Glibc

/// Where the time comes from; injected everywhere so that tests can make days pass.
public protocol Clock: Sendable {
    /// The wall clock.
    var now: Timestamp { get }
    /// Seconds on a clock that never steps; only differences mean anything.
    var monotonicSeconds: Double { get }
}

/// The machine's own clocks.
public struct SystemClock: Clock {
    /// The machine's clocks.
    public init() {}

    /// The wall clock.
    public var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(
            microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
        )
    }

    /// The monotonic clock.
    public var monotonicSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
