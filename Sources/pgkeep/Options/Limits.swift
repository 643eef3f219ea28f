import Domain

/// Checks of numbers on the command line.
enum Limits {
    /// Throws `.usage` unless `range` contains the value.
    static func check(
        _ value: Int,
        _ option: String,
        _ range: ClosedRange<Int>
    ) throws(PgkeepError) {
        guard range.contains(value) else {
            throw PgkeepError(
                .usage,
                "\(option) \(value) is out of range",
                hint: "give a number from \(range.lowerBound) to \(range.upperBound)"
            )
        }
    }
}
