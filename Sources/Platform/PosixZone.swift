import Domain

/// A zone's rule in POSIX's form, `CET-1CEST,M3.5.0,M10.5.0/3`: what holds behind a file's last
/// change (POSIX.1-2017, section 8.3, with the hours of RFC 9636, -167 to 167).
struct PosixZone: Sendable {
    /// A day of the year, and the second of it at which clocks change.
    private enum Day {
        case weekday(month: Int64, week: Int64, day: Int64)
        /// 1 to 365; 29 February does not count.
        case julian(Int64)
        /// 0 to 365.
        case ordinal(Int64)
    }
    private struct Change {
        var day: Day
        var seconds: Int64
    }

    private let standard: Int64
    private let summer: (offset: Int64, begin: Change, end: Change)?

    /// Nil for a text that is no rule.
    init?(_ text: String) {
        var rest = Substring(text)
        guard Self.name(&rest), let offset = Self.time(&rest) else { return nil }
        standard = -offset
        guard !rest.isEmpty else {
            summer = nil
            return
        }
        guard Self.name(&rest) else { return nil }
        var ahead = standard + 3600
        if let next = rest.first, next != "," {
            guard let offset = Self.time(&rest) else { return nil }
            ahead = -offset
        }
        guard let begin = Self.change(&rest), let end = Self.change(&rest), rest.isEmpty else {
            return nil
        }
        summer = (ahead, begin, end)
    }

    /// Seconds ahead of UTC at a moment.
    func offset(at seconds: Int64) -> Int64 {
        guard let summer else { return standard }
        let local = LocalTime(seconds: seconds + standard)
        // A change may fall into the neighbouring year of UTC; the last one before now counts.
        var last: (at: Int64, offset: Int64)?
        for year in local.date.year - 1...local.date.year + 1 {
            let changes = [
                (Self.moment(summer.begin, year) - standard, summer.offset),
                (Self.moment(summer.end, year) - summer.offset, standard),
            ]
            for (at, offset) in changes where at <= seconds {
                if last.map({ at >= $0.at }) ?? true { last = (at, offset) }
            }
        }
        return last?.offset ?? standard
    }

    /// When the clock on the wall shows a change, as if it were UTC.
    private static func moment(_ change: Change, _ year: Int64) -> Int64 {
        let newYear = days(year, 1, 1)
        let day: Int64
        switch change.day {
        case .ordinal(let number): day = newYear + number
        case .julian(let number):
            let isLeap = days(year, 3, 1) - newYear == 60
            day = newYear + number - 1 + (isLeap && number > 59 ? 1 : 0)
        case .weekday(let month, let week, let wanted):
            let first = days(year, month, 1)
            let next = month == 12 ? days(year + 1, 1, 1) : days(year, month + 1, 1)
            let weekday = Int64(LocalTime(day: first, minute: 0).weekday)
            var found = first + (wanted - weekday + 7) % 7 + (week - 1) * 7
            while found >= next { found -= 7 }
            day = found
        }
        return day * 86400 + change.seconds
    }

    private static func days(_ year: Int64, _ month: Int64, _ date: Int64) -> Int64 {
        LocalTime(year: year, month: month, date: date).day
    }

    // MARK: Reading

    /// `CET`, `<+03>`.
    private static func name(_ rest: inout Substring) -> Bool {
        if rest.first == "<" {
            guard let end = rest.firstIndex(of: ">") else { return false }
            rest = rest[rest.index(after: end)...]
            return true
        }
        let letters = rest.prefix { $0.isASCII && $0.isLetter }
        rest = rest.dropFirst(letters.count)
        return letters.count >= 3
    }

    private static func number(_ rest: inout Substring) -> Int64? {
        let digits = rest.prefix { $0.isASCII && $0.isNumber }
        rest = rest.dropFirst(digits.count)
        return digits.count <= 4 ? Int64(digits) : nil
    }

    /// `[+-]h[h][h][:mm[:ss]]` in seconds.
    private static func time(_ rest: inout Substring) -> Int64? {
        var sign: Int64 = 1
        if let first = rest.first, first == "+" || first == "-" {
            sign = first == "-" ? -1 : 1
            rest = rest.dropFirst()
        }
        guard var seconds = number(&rest).map({ $0 * 3600 }) else { return nil }
        for unit in [60, 1] as [Int64] where rest.first == ":" {
            rest = rest.dropFirst()
            guard let value = number(&rest) else { return nil }
            seconds += value * unit
        }
        return sign * seconds
    }

    /// `,M3.5.0/2`, `,J60`, `,59/3`.
    private static func change(_ rest: inout Substring) -> Change? {
        guard rest.first == "," else { return nil }
        rest = rest.dropFirst()
        let day: Day
        switch rest.first {
        case "M":
            rest = rest.dropFirst()
            guard let month = number(&rest), rest.first == ".", (1...12).contains(month) else {
                return nil
            }
            rest = rest.dropFirst()
            guard let week = number(&rest), rest.first == ".", (1...5).contains(week) else {
                return nil
            }
            rest = rest.dropFirst()
            guard let weekday = number(&rest), (0...6).contains(weekday) else { return nil }
            day = .weekday(month: month, week: week, day: weekday)
        case "J":
            rest = rest.dropFirst()
            guard let number = number(&rest), (1...365).contains(number) else { return nil }
            day = .julian(number)
        default:
            guard let number = number(&rest), (0...365).contains(number) else { return nil }
            day = .ordinal(number)
        }
        guard rest.first == "/" else { return Change(day: day, seconds: 7200) }
        rest = rest.dropFirst()
        guard let seconds = time(&rest) else { return nil }
        return Change(day: day, seconds: seconds)
    }
}
