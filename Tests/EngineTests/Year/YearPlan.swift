/// What happens on which days of a server's year; day 0 is the one on which protection begins.
struct YearPlan {
    /// Protection is stopped with everything kept, and resumed.
    struct Pause {
        /// From the day of the stop to that of the resumption.
        var days: Range<Int>
        /// The server lets go of its WAL meanwhile, as servers do when nobody asks for it; if not,
        /// what was written in the pause is there to be fetched afterwards.
        var losesWAL: Bool
    }

    /// How many there are.
    var days: Int
    /// The oldest point is held from here on, and released there.
    var held: Range<Int>
    /// More days are kept.
    var raised: Range<Int>
    /// So many.
    var retention: Int64
    /// The host's clock is a year ahead when it prunes.
    var ahead: Int
    /// It is a month behind.
    var behind: Range<Int>
    /// The server is down.
    var down: Range<Int>
    var pauses: [Pause]
    /// Days whose end is looked at by restores.
    var restores: Set<Int>

    /// Some weeks, in which everything happens once and there is time to see what comes of it.
    static let short = YearPlan(
        days: 55,
        held: 3..<30,
        raised: 5..<9,
        retention: 10,
        ahead: 10,
        behind: 12..<13,
        down: 15..<29,
        pauses: [Pause(days: 34..<38, losesWAL: true), Pause(days: 42..<46, losesWAL: false)],
        restores: [4, 10, 13, 27, 39, 46, 54]
    )

    /// A year.
    static let long = YearPlan(
        days: 365,
        held: 40..<150,
        raised: 60..<120,
        retention: 30,
        ahead: 280,
        behind: 300..<303,
        down: 160..<182,
        pauses: [Pause(days: 200..<245, losesWAL: true), Pause(days: 330..<334, losesWAL: false)],
        restores: Set(stride(from: 12, to: 365, by: 12)).union([364])
    )

    /// The pause that begins on a day.
    func pause(from day: Int) -> Pause? { pauses.first { $0.days.lowerBound == day } }

    /// The pause that ends on a day.
    func pause(until day: Int) -> Pause? { pauses.first { $0.days.upperBound == day } }
}
