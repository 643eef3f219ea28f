/// Reads what SHOW prints: numbers with PostgreSQL's units.
///
/// Source: the unit tables of PostgreSQL's guc.c; memory units are powers of 1024.
package enum SettingValue {
    /// Bytes of a memory value such as `16MB`; nil when it is none, or negative.
    ///
    /// A bare number is in bytes.
    package static func bytes(_ text: String) -> UInt64? {
        guard let (number, unit) = split(text), number >= 0 else { return nil }
        let factor: UInt64? =
            switch unit {
            case "", "B": 1
            case "kB": 1 << 10
            case "MB": 1 << 20
            case "GB": 1 << 30
            case "TB": 1 << 40
            default: nil
            }
        return factor.map { UInt64(number) * $0 }
    }

    /// Seconds of a time value such as `1min`; nil when it is none, or negative.
    ///
    /// A bare number is in milliseconds.
    package static func seconds(_ text: String) -> Double? {
        guard let (number, unit) = split(text), number >= 0 else { return nil }
        let factor: Double? =
            switch unit {
            case "us": 1e-6
            case "", "ms": 1e-3
            case "s": 1
            case "min": 60
            case "h": 3600
            case "d": 86400
            default: nil
            }
        return factor.map { Double(number) * $0 }
    }

    /// `on`, `true`, `yes`, `1`.
    package static func isOn(_ text: String?) -> Bool {
        ["on", "true", "yes", "1"].contains(text ?? "")
    }

    private static func split(_ text: String) -> (Int64, Substring)? {
        let number = text.prefix { $0.isNumber || $0 == "-" }
        return Int64(number).map { ($0, text[number.endIndex...]) }
    }
}
