public import Domain
public import Storage

/// How a finished segment, or part of one, ended up in the archive.
public enum WALStoreOutcome: Sendable {
    /// It is there now.
    case stored
    /// The same bytes were there already.
    case alreadyStored
    /// Other bytes were there already: they stay, ours are kept aside, an operator must look.
    case divergent(WALDivergence)
}

/// Two different contents for the same stretch of WAL: two servers have written the same timeline.
public struct WALDivergence: Sendable {
    /// The segment.
    public var segment: WALSegment
    /// Where the contents begin to differ; nil when one of them cannot be read.
    public var firstDifference: LSN?
    /// The object that stays in use.
    public var kept: ObjectName
    /// Where the other content is.
    public var aside: ObjectName
    /// Why nothing could be compared, when that is so.
    public var damage: String?

    /// The alarm as an error.
    public var error: PgkeepError {
        guard let damage else {
            let place = firstDifference.map { " from \($0) on" } ?? ""
            return PgkeepError(
                .integrity,
                "WAL segment \(segment) was received with two different contents\(place);"
                    + " the later one is kept aside as \(aside)",
                hint: "two servers write the same timeline: stop the wrong one, then take a backup"
            )
        }
        return PgkeepError(
            .integrity,
            "WAL segment \(segment) is in the archive twice and one copy is damaged: \(damage)",
            hint: "run pgkeep vault check; the copies are \(kept) and \(aside)"
        )
    }
}
