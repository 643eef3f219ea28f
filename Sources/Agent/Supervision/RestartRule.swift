/// When a command that failed is run again: soon at first, each time later, and only now and then
/// when it fails so often that trying soon helps nobody.
///
/// A value without a clock: moments are seconds on a steady clock, chance comes along.
public struct RestartRule: Hashable, Sendable {
    /// Why a run counts as failed.
    public enum Failure: Hashable, Sendable {
        /// The server or the vault is away: passes by itself, and is no crash.
        case unreachable
        /// Somebody else is doing it.
        case busy
        /// Anything else.
        case broken
    }

    /// Seconds before the first try, and at most between tries.
    public static let pauseSeconds = (first: 1.0, last: 60.0)
    /// Seconds between tries of what somebody else is doing.
    public static let busySeconds = 5.0
    /// Seconds between tries in a crash loop.
    public static let slowSeconds = 300.0
    /// So many failures within `crashWindowSeconds` are a crash loop.
    public static let crashesMax = 5
    /// See `crashesMax`.
    public static let crashWindowSeconds = 600.0
    /// A run of so many seconds was a good one, however it ended.
    public static let steadySeconds = 60.0
    /// A share of each pause that is left to chance, so that many do not try at one moment.
    public static let jitter = 0.25

    /// True from the failure that makes it one until a run is a good one.
    public private(set) var isCrashLoop = false
    private var pause = RestartRule.pauseSeconds.first
    private var crashes: [Double] = []

    /// Nothing has failed yet.
    public init() {}

    /// A run has failed at `now`, `ranSeconds` after its start; seconds until the next one.
    ///
    /// - Parameter chance: from 0 to 1.
    public mutating func failed(
        _ failure: Failure,
        at now: Double,
        ranSeconds: Double,
        chance: Double
    ) -> Double {
        if ranSeconds >= Self.steadySeconds { succeeded() }
        if failure == .broken {
            crashes.removeAll { now - $0 > Self.crashWindowSeconds }
            crashes.append(now)
            isCrashLoop = isCrashLoop || crashes.count >= Self.crashesMax
        }
        let seconds: Double
        switch failure {
        case .busy: seconds = Self.busySeconds
        case .broken where isCrashLoop: seconds = Self.slowSeconds
        case .broken, .unreachable:
            seconds = pause
            pause = min(pause * 2, Self.pauseSeconds.last)
        }
        return seconds * (1 - Self.jitter + 2 * Self.jitter * chance)
    }

    /// A run was good: the next failure is the first again.
    public mutating func succeeded() { self = RestartRule() }
}
