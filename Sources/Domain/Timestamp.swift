/// A moment in time: whole microseconds since 1970-01-01 00:00:00 UTC, PostgreSQL's precision.
///
/// Text form is RFC 3339 in UTC. Domain reads no clock; callers bring the moment along.
public struct Timestamp: Hashable, Comparable, Sendable, Codable, LosslessStringConvertible {
    /// Microseconds since the Unix epoch.
    public var microseconds: Int64

    /// Seconds from the Unix epoch to PostgreSQL's, 2000-01-01 00:00:00 UTC.
    public static let postgresEpochSeconds: Int64 = 946_684_800

    /// From microseconds since the Unix epoch.
    public init(microseconds: Int64) { self.microseconds = microseconds }

    /// From seconds since the Unix epoch.
    public init(seconds: Int64) { microseconds = seconds &* 1_000_000 }

    /// From microseconds since 2000-01-01, as the WAL and the replication protocol write them.
    public init(postgresMicroseconds value: Int64) {
        microseconds = value &+ Self.postgresEpochSeconds &* 1_000_000
    }

    /// Microseconds since 2000-01-01.
    public var postgresMicroseconds: Int64 {
        microseconds &- Self.postgresEpochSeconds &* 1_000_000
    }

    /// Whole seconds since the Unix epoch, rounded down.
    public var seconds: Int64 {
        let (quotient, rest) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
        return rest < 0 ? quotient - 1 : quotient
    }

    /// Orders by time.
    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.microseconds < right.microseconds
    }

    /// The moment `seconds` later.
    public func adding(seconds: Int64) -> Timestamp {
        Timestamp(microseconds: microseconds + seconds * 1_000_000)
    }

    /// Seconds from `earlier` to this moment, with fractions.
    public func seconds(since earlier: Timestamp) -> Double {
        Double(microseconds - earlier.microseconds) / 1_000_000
    }

    /// RFC 3339 in UTC; fractions appear, in six digits, only when there are any.
    public var description: String {
        let day = seconds >= 0 ? seconds / 86400 : (seconds - 86399) / 86400
        let second = seconds - day * 86400
        let (year, month, date) = Self.civil(day: day)
        let fraction = microseconds - seconds * 1_000_000
        let clock = [second / 3600, second / 60 % 60, second % 60].map { Self.padded($0, 2) }
        return "\(Self.padded(year, 4))-\(Self.padded(month, 2))-\(Self.padded(date, 2))T"
            + clock.joined(separator: ":")
            + (fraction == 0 ? "" : "." + Self.padded(fraction, 6)) + "Z"
    }

    /// Parses `YYYY-MM-DD[T ]hh:mm[:ss[.ffffff]][Z|±hh[:mm]]`; without an offset it is UTC.
    ///
    /// Nil when the text is anything else or names no such day.
    public init?(_ text: some StringProtocol) {
        var rest = Array(text.utf8)[...]
        func number(_ digits: Int) -> Int64? {
            guard rest.count >= digits else { return nil }
            var value: Int64 = 0
            for byte in rest.prefix(digits) {
                guard (48...57).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - 48)
            }
            rest = rest.dropFirst(digits)
            return value
        }
        func skip(_ allowed: String) -> Bool {
            guard let byte = rest.first, allowed.utf8.contains(byte) else { return false }
            rest = rest.dropFirst()
            return true
        }
        guard let year = number(4), skip("-"), let month = number(2), skip("-"),
            let date = number(2), skip("Tt "), let hour = number(2), skip(":"),
            let minute = number(2), (1...12).contains(month), hour < 24, minute < 60
        else { return nil }
        var second: Int64 = 0
        var fraction: Int64 = 0
        if skip(":") {
            guard let value = number(2), value < 61 else { return nil }
            second = value
            if skip(".") {
                var scale: Int64 = 100_000
                var digits = 0
                while let byte = rest.first, (48...57).contains(byte) {
                    fraction += Int64(byte - 48) * scale
                    scale /= 10
                    digits += 1
                    rest = rest.dropFirst()
                }
                guard digits > 0 else { return nil }
            }
        }
        if rest.first == 32 { rest = rest.dropFirst() }
        var offset: Int64 = 0
        if let sign = rest.first, sign == 43 || sign == 45 {
            rest = rest.dropFirst()
            guard let hours = number(2), hours < 24 else { return nil }
            offset = hours * 3600
            if !rest.isEmpty {
                _ = skip(":")
                guard let minutes = number(2), minutes < 60 else { return nil }
                offset += minutes * 60
            }
            if sign == 45 { offset = -offset }
        } else {
            _ = skip("Zz")
        }
        let day = Self.days(year: year, month: month, date: date)
        guard rest.isEmpty, Self.civil(day: day) == (year, month, date) else { return nil }
        let seconds = day * 86400 + hour * 3600 + minute * 60 + second - offset
        self.init(microseconds: seconds * 1_000_000 + fraction)
    }

    /// Reads the text form.
    public init(from decoder: any Decoder) throws { self = try decodeText(decoder, "a time") }

    /// Writes the text form.
    public func encode(to encoder: any Encoder) throws { try encodeText(self, encoder) }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }

    /// Days since 1970-01-01 of a Gregorian date (years run from March, eras of 400 years).
    static func days(year: Int64, month: Int64, date: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + date - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
            - 719_468
    }

    /// The Gregorian date of a day counted from 1970-01-01: the reverse of `days`.
    static func civil(day: Int64) -> (year: Int64, month: Int64, date: Int64) {
        let shifted = day + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let date = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, date)
    }
}
