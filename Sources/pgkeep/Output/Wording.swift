import Domain

/// Quantities in words, for people only; JSON has them as plain numbers.
enum Wording {
    /// `812 B`, `1.5 GiB`.
    static func bytes(_ count: UInt64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        var unit = 0
        while unit + 1 < units.count, count >> (10 * (unit + 1)) > 0 { unit += 1 }
        guard unit > 0 else { return "\(count) B" }
        let tenths = UInt64((Double(count) / Double(UInt64(1) << (10 * unit)) * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }

    /// `3 s`, `4 min 5 s`, `2 h 3 min`, `5 d 2 h`.
    static func duration(_ seconds: Double) -> String {
        let whole = Int(min(max(seconds, 0), 1e12).rounded())
        let (minutes, hours, days) = (whole / 60, whole / 3600, whole / 86400)
        if days > 0 { return "\(days) d \(hours % 24) h" }
        if hours > 0 { return "\(hours) h \(minutes % 60) min" }
        if minutes > 0 { return "\(minutes) min \(whole % 60) s" }
        return "\(whole) s"
    }

    /// A time to the second, with a blank for the `T`.
    static func time(_ time: Timestamp) -> String {
        let text = Timestamp(seconds: time.seconds).description
        return String(text.map { $0 == "T" ? " " : $0 })
    }

    /// `1 file`, `3 files`.
    static func count(_ number: some BinaryInteger, _ one: String, _ many: String? = nil) -> String
    {
        "\(number) \(number == 1 ? one : many ?? one + "s")"
    }
}
