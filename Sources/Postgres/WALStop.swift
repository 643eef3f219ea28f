public import Domain

/// Why a walk through WAL ended, and where.
public struct WALStop: Hashable, Sendable {
    /// What was found instead of a valid record.
    public enum Reason: Hashable, Sendable {
        /// Zero bytes: the ordinary end of WAL that was never written further.
        case zeroes
        /// A page of a PostgreSQL release this program does not know.
        case unknownMagic(UInt16)
        /// A page that says it belongs elsewhere: an old file used again.
        case wrongAddress(LSN)
        /// A page of another release than the pages before it.
        case changedVersion
        /// A page whose timeline is lower than that of the page before it.
        case timelineWentBack
        /// A page header with impossible flags.
        case malformedPage
        /// A segment of another cluster.
        case foreign(SystemIdentifier)
        /// A segment of another length or page size.
        case wrongGeometry
        /// A page that does not go on with the record begun before it, or goes on with none.
        case brokenContinuation
        /// A record header with an impossible length.
        case malformedRecord
        /// A record that does not point back to the one before it: left over from earlier.
        case wrongPrevious
        /// A record whose checksum is wrong: torn or damaged.
        case wrongChecksum
    }

    /// The start of the page or record at fault.
    public var position: LSN
    /// What was found there.
    public var reason: Reason

    /// True for what the end of written WAL looks like; false for what only damage, another
    /// cluster or an unknown release explains.
    public var isOrdinaryEnd: Bool {
        switch reason {
        case .unknownMagic, .changedVersion, .foreign, .wrongGeometry: false
        default: true
        }
    }

    /// One line in words.
    public var text: String {
        let what =
            switch reason {
            case .zeroes: "nothing is written there"
            case .unknownMagic(let magic):
                "page magic \(String(magic, radix: 16, uppercase: true)) is of no release known"
            case .wrongAddress(let found): "the page says it belongs to \(found)"
            case .changedVersion: "the page is of another PostgreSQL release"
            case .timelineWentBack: "the page is of an earlier timeline"
            case .malformedPage: "the page header is malformed"
            case .foreign(let system): "the segment belongs to system \(system)"
            case .wrongGeometry: "the segment has another segment or page size"
            case .brokenContinuation: "the page does not continue the record before it"
            case .malformedRecord: "the record header is malformed"
            case .wrongPrevious: "the record does not follow the one before it"
            case .wrongChecksum: "the record's checksum is wrong"
            }
        return "WAL ends at \(position): \(what)"
    }

    /// This stop as an error, for callers to whom the WAL should have gone on.
    public func error(_ code: ErrorCode, hint: String = "") -> PgkeepError {
        if case .unknownMagic = reason {
            return PgkeepError(
                .sourceUnsupported,
                text,
                hint: "use a release of pgkeep that knows this PostgreSQL version"
            )
        }
        return PgkeepError(code, text, hint: hint)
    }
}
