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

    /// Throws `.usage` for a price that is none.
    static func checkPrice(_ price: Double?) throws(PgkeepError) {
        guard let price, !(price.isFinite && price >= 0) else { return }
        throw PgkeepError(
            .usage,
            "--price \(price) is no price",
            hint: "give what a GiB costs for a month, like 0.095"
        )
    }

    /// The bytes a size names.
    static func bytes(_ text: String, _ option: String) throws(PgkeepError) -> UInt64 {
        guard case .bytes(let bytes) = Amount(text) else {
            throw PgkeepError(
                .usage,
                "\(option) \(text) is no size",
                hint: "write it like 500MB, 20GiB or 1T"
            )
        }
        return bytes
    }

    /// The seconds a duration names.
    static func seconds(_ text: String, _ option: String) throws(PgkeepError) -> Double {
        guard case .duration(let seconds) = Amount(text) else {
            throw PgkeepError(
                .usage,
                "\(option) \(text) is no duration",
                hint: "write it like 90s, 10min or 1h"
            )
        }
        return seconds
    }
}
