/// What clocks on the wall show in one time zone.
public protocol ZoneRules: Sendable {
    /// The zone's name: `UTC`, `Europe/Berlin`.
    var name: String { get }

    /// Seconds that clocks there are ahead of UTC at a moment; negative in the west.
    func offset(at moment: Timestamp) -> Int64
}

/// Coordinated universal time: no offset, ever.
public struct UTCRules: ZoneRules {
    /// `UTC`.
    public let name = "UTC"

    /// The rules of UTC.
    public init() {}

    /// Zero.
    public func offset(at moment: Timestamp) -> Int64 { 0 }
}

/// A time as a clock on the wall shows it, in some zone.
public struct LocalTime: Hashable, Comparable, Sendable {
    /// Seconds since 1970-01-01 00:00:00 on that clock.
    public var seconds: Int64

    /// From seconds since 1970-01-01 00:00:00 on that clock.
    public init(seconds: Int64) { self.seconds = seconds }

    /// What the clock shows at a moment.
    public init(_ moment: Timestamp, in zone: any ZoneRules) {
        seconds = moment.seconds + zone.offset(at: moment)
    }

    /// Midnight of a Gregorian date.
    public init(year: Int64, month: Int64, date: Int64) {
        self.init(day: Timestamp.days(year: year, month: month, date: date), minute: 0)
    }

    /// Minutes of a day.
    public init(day: Int64, minute: Int) { seconds = day * 86400 + Int64(minute) * 60 }

    /// Days since 1970-01-01, rounded down.
    public var day: Int64 { (seconds >= 0 ? seconds : seconds - 86399) / 86400 }

    /// Whole minutes since midnight.
    public var minuteOfDay: Int { Int((seconds - day * 86400) / 60) }

    /// The Gregorian date.
    public var date: (year: Int64, month: Int64, date: Int64) { Timestamp.civil(day: day) }

    /// The day of the week, 0 = Sunday.
    public var weekday: Int { Self.weekday(ofDay: day) }

    /// Weeks since the Monday of the week of 1970-01-01, rounded down: weeks begin on Mondays.
    public var week: Int64 {
        let shifted = day + 3
        return (shifted >= 0 ? shifted : shifted - 6) / 7
    }

    /// The day of the week of a day since 1970-01-01, which was a Thursday.
    static func weekday(ofDay day: Int64) -> Int { Int(((day + 4) % 7 + 7) % 7) }

    /// The moment the clock shows this time.
    ///
    /// Where clocks are put back it shows it twice, and the first time counts. Where they are put
    /// forward it may never show it, and the moment they are put forward counts. So no two times
    /// have their moments in the wrong order.
    public func moment(in zone: any ZoneRules) -> Timestamp {
        let before = zone.offset(at: Timestamp(seconds: seconds - 86400))
        let after = zone.offset(at: Timestamp(seconds: seconds + 86400))
        let early = Timestamp(seconds: seconds - before)
        if zone.offset(at: early) == before { return early }
        let late = Timestamp(seconds: seconds - after)
        // With the later offset it must also lie behind the change, or it was skipped.
        var low = seconds - 86400
        var high = early.seconds
        while high - low > 1 {
            let middle = low + (high - low) / 2
            if zone.offset(at: Timestamp(seconds: middle)) == before {
                low = middle
            } else {
                high = middle
            }
        }
        return max(late, Timestamp(seconds: high))
    }

    /// Orders by what the clock shows.
    public static func < (left: LocalTime, right: LocalTime) -> Bool {
        left.seconds < right.seconds
    }
}
