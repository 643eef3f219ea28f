/// Times in cron's form: `minute hour day-of-month month day-of-week`, or `@daily` and its like.
///
/// Fields are `*`, numbers, names (`jan`, `mon`), ranges `a-b`, steps `*/n` and `a-b/n`, and lists
/// of those. As with cron, a time matches when either the day of the month or the day of the week
/// does, if both are given. Sunday is 0 or 7.
public struct CronSchedule: Hashable, Sendable, Codable, CustomStringConvertible {
    /// The text it was made from.
    public let description: String
    private let minutes: Set<Int>
    private let hours: Set<Int>
    private let dates: Set<Int>
    private let months: Set<Int>
    private let weekdays: Set<Int>
    private let isAnyDate: Bool
    private let isAnyWeekday: Bool

    /// The longest time between two times of a schedule: from one 29 February to the next, around
    /// a year like 1900.
    private static let daysMax: Int64 = 366 * 8 + 2
    private static let shorthands = [
        "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *",
        "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *",
        "@annually": "0 0 1 1 *",
    ]
    private static let monthNames = [
        "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9,
        "oct": 10, "nov": 11, "dec": 12,
    ]
    private static let weekdayNames = [
        "sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6,
    ]

    /// Parses cron's form. Throws `.usage` for anything else, and for days that never come.
    public init(_ text: some StringProtocol) throws(PgkeepError) {
        let words = text.lowercased().split(separator: " ").map(String.init)
        description = words.joined(separator: " ")
        let expanded = Self.shorthands[description]?.split(separator: " ").map(String.init)
        let fields = expanded ?? words
        guard fields.count == 5, let minutes = Self.values(fields[0], 0...59),
            let hours = Self.values(fields[1], 0...23), let dates = Self.values(fields[2], 1...31),
            let months = Self.values(fields[3], 1...12, Self.monthNames),
            let weekdays = Self.values(fields[4], 0...7, Self.weekdayNames)
        else { throw Self.wrong(description) }
        self.minutes = minutes
        self.hours = hours
        self.dates = dates
        self.months = months
        self.weekdays = Set(weekdays.map { $0 % 7 })
        isAnyDate = fields[2].hasPrefix("*")
        isAnyWeekday = fields[4].hasPrefix("*")
        // From 2000-01-01 on every date there is comes within eight years.
        let first = Timestamp.days(year: 2000, month: 1, date: 1)
        guard (first...first + Self.daysMax).contains(where: matches(day:)) else {
            throw PgkeepError(
                .usage,
                "the schedule \"\(description)\" names days that never come",
                hint: "correct its day of the month or its month"
            )
        }
    }

    /// Every day at one minute, counted from midnight.
    init(dailyAt minute: Int) {
        description = "\(minute % 60) \(minute / 60) * * *"
        minutes = [minute % 60]
        hours = [minute / 60]
        dates = Set(1...31)
        months = Set(1...12)
        weekdays = Set(0...6)
        isAnyDate = true
        isAnyWeekday = true
    }

    /// The last of its times at or before a moment; nil when that lies before year 1.
    public func last(atOrBefore moment: Timestamp, in zone: any ZoneRules) -> Timestamp? {
        let today = LocalTime(moment, in: zone).day
        // Where clocks were put back over midnight, tomorrow has begun once already.
        for day in stride(from: today + 1, to: today - Self.daysMax, by: -1) where matches(day: day)
        {
            guard LocalTime(day: day, minute: 0).moment(in: zone) <= moment else { continue }
            for minute in daily.reversed() {
                let slot = LocalTime(day: day, minute: minute).moment(in: zone)
                if slot <= moment { return slot }
            }
        }
        return nil
    }

    /// The first of its times after a moment; nil when there is none.
    public func next(after moment: Timestamp, in zone: any ZoneRules) -> Timestamp? {
        let today = LocalTime(moment, in: zone).day
        for day in today - 1...today + Self.daysMax where matches(day: day) {
            guard LocalTime(day: day + 1, minute: 0).moment(in: zone) > moment else { continue }
            for minute in daily {
                let slot = LocalTime(day: day, minute: minute).moment(in: zone)
                if slot > moment { return slot }
            }
        }
        return nil
    }

    /// Its minutes of a day, in order.
    private var daily: [Int] {
        hours.sorted().flatMap { hour in minutes.sorted().map { hour * 60 + $0 } }
    }

    private func matches(day: Int64) -> Bool {
        let (_, month, date) = Timestamp.civil(day: day)
        guard months.contains(Int(month)) else { return false }
        let isDate = dates.contains(Int(date))
        let isWeekday = weekdays.contains(LocalTime.weekday(ofDay: day))
        return isAnyDate || isAnyWeekday ? isDate && isWeekday : isDate || isWeekday
    }

    /// The values one field stands for; nil when it is wrong.
    private static func values(
        _ field: String,
        _ range: ClosedRange<Int>,
        _ names: [String: Int] = [:]
    ) -> Set<Int>? {
        var found: Set<Int> = []
        func number(_ text: Substring) -> Int? {
            if let value = names[String(text)] { return value }
            guard text.allSatisfy({ $0.isASCII && $0.isNumber }), let value = Int(text),
                range.contains(value)
            else { return nil }
            return value
        }
        for part in field.split(separator: ",", omittingEmptySubsequences: false) {
            let halves = part.split(separator: "/", omittingEmptySubsequences: false)
            guard (1...2).contains(halves.count) else { return nil }
            var step = 1
            if halves.count == 2 {
                guard let given = Int(halves[1]), given > 0 else { return nil }
                step = given
            }
            let ends = halves[0].split(separator: "-", omittingEmptySubsequences: false)
            if halves[0] == "*" {
                found.formUnion(stride(from: range.lowerBound, through: range.upperBound, by: step))
            } else if ends.count == 2, let low = number(ends[0]), let high = number(ends[1]),
                low <= high
            {
                found.formUnion(stride(from: low, through: high, by: step))
            } else if ends.count == 1, let value = number(ends[0]) {
                // As cron has it: a step makes a range of a single number.
                let end = halves.count == 2 ? range.upperBound : value
                found.formUnion(stride(from: value, through: end, by: step))
            } else {
                return nil
            }
        }
        return found
    }

    private static func wrong(_ text: String) -> PgkeepError {
        PgkeepError(
            .usage,
            "\"\(text)\" is no schedule",
            hint: "write it like cron: \"30 23 * * *\", \"0 */6 * * mon-fri\", or @daily"
        )
    }

    /// Reads the text form.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        do throws(PgkeepError) {
            self = try CronSchedule(text)
        } catch {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription: error.message
            )
        }
    }

    /// Writes the text form.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
