import Domain
import Platform
import TestSupport

/// The clock of one machine: time passes for all alike, and every clock shows it with an error of
/// its own.
struct SkewedClock: Platform.Clock {
    /// The time there is.
    let time: ManualClock
    /// Seconds this clock is ahead of it.
    let ahead: Int64

    var now: Timestamp { time.now.adding(seconds: ahead) }

    var monotonicSeconds: Double { time.monotonicSeconds }
}
