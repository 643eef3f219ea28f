/// From where on alerts are raised that are not a matter of yes or no.
enum AlertLimits {
    /// Days until the vault's storage is full.
    static let spaceWarningDays: UInt64 = 14
    static let spaceCriticalDays: UInt64 = 2
    /// The share of it that is free.
    static let spaceCriticalShare = 0.01
    /// Seconds clocks may differ.
    static let skewSeconds: Double = 60
    /// A server that has nothing to send is silent for at most so long.
    static let serverSilenceSeconds: Double = 120
    /// Bytes of WAL kept for a slot.
    static let retainedBytes: UInt64 = 10 << 30
    /// Seconds before a purge at which it is told.
    static let purgeSeconds: Int64 = 2 * 86400
}
