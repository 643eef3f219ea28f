/// Durations and sizes as people write them: `90s`, `30min`, `12h`, `7d`; `500MB`, `20GiB`.
public enum Amount: Equatable, Sendable {
    /// Seconds.
    case duration(Double)
    /// Bytes.
    case bytes(UInt64)

    private static let seconds: [String: Double] = [
        "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604_800,
    ]
    private static let byteUnits: [String: UInt64] = [
        "": 1, "B": 1, "kB": 1000, "MB": 1_000_000, "GB": 1_000_000_000, "TB": 1_000_000_000_000,
        "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "KiB": 1 << 10, "MiB": 1 << 20,
        "GiB": 1 << 30, "TiB": 1 << 40,
    ]

    /// Reads a whole number and its unit; nil when it is neither a duration nor a size.
    public init?(_ text: String) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit = String(text.dropFirst(digits.count))
        guard let number = UInt64(digits), number > 0 else { return nil }
        if let seconds = Self.seconds[unit] {
            self = .duration(Double(number) * seconds)
            return
        }
        guard let factor = Self.byteUnits[unit] else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: factor)
        guard !overflow else { return nil }
        self = .bytes(bytes)
    }

    /// A moment: a duration back from `now`, or a time.
    ///
    /// Throws `.usage`, naming `option`, when it is neither.
    public static func moment(
        _ text: String,
        now: Timestamp,
        option: String
    ) throws(PgkeepError) -> Timestamp {
        if case .duration(let seconds) = Amount(text) {
            return Timestamp(microseconds: now.microseconds - Int64(min(seconds, 1e12) * 1e6))
        }
        guard let time = Timestamp(text) else {
            throw PgkeepError(
                .usage,
                "\(option) \(text) is neither a duration nor a time",
                hint: "write it like 7d, 12h, 30min, or 2026-01-31T12:00:00Z"
            )
        }
        return time
    }
}
