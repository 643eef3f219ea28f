/// How fast this machine restores: what an estimate is made of.
public struct RestoreRates: Hashable, Sendable {
    /// Bytes of data files placed in a second.
    public var baseBytesPerSecond: Double
    /// Bytes of WAL replayed in a second.
    public var walBytesPerSecond: Double
    /// Seconds to start the server and to end recovery.
    public var fixedSeconds: Double
    /// How far the truth may lie off: the low estimate divides by it, the high one multiplies.
    public var spread: Double

    /// Measured or assumed rates.
    public init(
        baseBytesPerSecond: Double,
        walBytesPerSecond: Double,
        fixedSeconds: Double = 2,
        spread: Double
    ) {
        precondition(baseBytesPerSecond > 0 && walBytesPerSecond > 0 && spread >= 1)
        self.baseBytesPerSecond = baseBytesPerSecond
        self.walBytesPerSecond = walBytesPerSecond
        self.fixedSeconds = fixedSeconds
        self.spread = spread
    }

    /// For a machine nobody measured: a plain disk, two cores.
    public static let assumed = RestoreRates(
        baseBytesPerSecond: 200e6,
        walBytesPerSecond: 40e6,
        spread: 3
    )

    /// Seconds to place `base` bytes and replay `wal` bytes.
    public func estimate(base: UInt64, wal: UInt64) -> Estimate {
        let likely =
            Double(base) / baseBytesPerSecond + Double(wal) / walBytesPerSecond + fixedSeconds
        return Estimate(
            low: (likely / spread).rounded(.up),
            likely: likely.rounded(.up),
            high: (likely * spread).rounded(.up)
        )
    }

    /// A span of seconds.
    public struct Estimate: Hashable, Sendable, Encodable {
        /// With luck.
        public var low: Double
        /// As measured.
        public var likely: Double
        /// Without luck.
        public var high: Double
    }
}
