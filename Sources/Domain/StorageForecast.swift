/// What a retention of some days and a number of copies will take, from what is known of one
/// instance: the calculator behind `vault forecast`.
public struct StorageForecast: Hashable, Sendable {
    /// Bytes of one backup all by itself.
    public var baseBytes: UInt64
    /// Bytes that later backups and WAL add in a day.
    public var bytesPerDay: UInt64
    /// Bytes that cost nothing.
    public var quotaBytes: UInt64

    /// A forecast for one instance.
    public init(baseBytes: UInt64, bytesPerDay: UInt64, quotaBytes: UInt64) {
        self.baseBytes = baseBytes
        self.bytesPerDay = bytesPerDay
        self.quotaBytes = quotaBytes
    }

    /// Bytes in use once `days` of history are kept in `copies`: a base, and what the days add.
    ///
    /// Grows with both arguments.
    public func bytes(retentionDays days: Int, copies: Int) -> UInt64 {
        precondition(days >= 0 && copies >= 1)
        let (history, wraps) = bytesPerDay.multipliedReportingOverflow(by: UInt64(days))
        let (one, overflows) = baseBytes.addingReportingOverflow(history)
        let (all, exceeds) = one.multipliedReportingOverflow(by: UInt64(copies))
        return wraps || overflows || exceeds ? .max : all
    }

    /// Bytes in use in the end under a policy: its days in full, and behind them the points its
    /// rules keep.
    ///
    /// A point kept for a period takes what changes in that period, at most as much as one backup
    /// by itself; at an age that several rules keep points of, the one with the shortest period
    /// counts. Grows with the retention, with each count and with the copies.
    public func bytes(
        retentionDays: Int,
        keep: Policy.Keep,
        backupBytesPerDay: UInt64,
        copies: Int
    ) -> UInt64 {
        var kept = 0.0
        var covered = retentionDays
        for rule in RetentionRule.allCases where rule != .standard {
            let (end, overflows) = keep.count(rule).multipliedReportingOverflow(by: rule.days)
            let days = (overflows ? Int(Int32.max) : end) - covered
            guard days > 0 else { continue }
            let period = Double(rule.days)
            let one = min(Double(min(backupBytesPerDay, bytesPerDay)) * period, Double(baseBytes))
            kept += one * Double(days) / period
            covered += days
        }
        let inFull = bytes(retentionDays: retentionDays, copies: copies)
        let more = (kept * Double(copies)).rounded()
        guard more < Double(UInt64.max / 2), inFull < UInt64.max / 2 else { return .max }
        return inFull + UInt64(more)
    }

    /// How many days of additions the quota holds: 250 GiB at 25 GiB a day are 10 days.
    ///
    /// Nil when nothing is added.
    public var freeDays: UInt64? { bytesPerDay > 0 ? quotaBytes / bytesPerDay : nil }
}
