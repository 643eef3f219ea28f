public import Domain

/// What the `backup_label` of a base backup says.
///
/// The server parses the file strictly by position, so it is restored byte for byte; this is only
/// for reading it. Source of the format: build_backup_content of PostgreSQL 13–18.
public struct BackupLabel: Hashable, Sendable {
    /// Where replay begins: the redo position of the backup's checkpoint.
    public var start: LSN
    /// The name of the WAL segment that holds `start`.
    public var startSegment: String
    /// The checkpoint record of the backup.
    public var checkpoint: LSN
    /// True when it was taken from a standby.
    public var isFromStandby: Bool
    /// The start time as the server writes it, in its log_timezone.
    public var startTime: String
    /// The label given to the backup.
    public var label: String
    /// The timeline of `start`.
    public var timeline: TimelineID
    /// For an incremental backup, the START position of the backup it continues.
    public var incrementalFrom: LSN?
    /// For an incremental backup, the timeline of `incrementalFrom`.
    public var incrementalFromTimeline: TimelineID?

    /// Reads the file; throws `source.broken` when a line is missing or malformed.
    public init(_ bytes: [UInt8]) throws(PgkeepError) {
        let lines = String(decoding: bytes, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)[...]
        var values: [String: Substring] = [:]
        for line in lines {
            for key in Self.keys where line.hasPrefix(key) && values[key] == nil {
                values[key] = line.dropFirst(key.utf8.count)
            }
        }
        func value(_ key: String) throws(PgkeepError) -> Substring {
            guard let value = values[key] else { throw Self.broken("\"\(key)\" is missing") }
            return value
        }
        // 0/2000028 (file 000000010000000000000002)
        let location = try value(Self.startKey).split(separator: " ")
        guard location.count == 3, location[1] == "(file", location[2].hasSuffix(")"),
            let start = LSN(location[0]), WALSegment.isName(location[2].dropLast()),
            let checkpoint = LSN(try value(Self.checkpointKey)),
            let timeline = TimelineID(try value(Self.timelineKey)), timeline > 0
        else { throw Self.broken("a position or timeline is malformed") }
        self.start = start
        startSegment = String(location[2].dropLast())
        self.checkpoint = checkpoint
        isFromStandby = try value(Self.fromKey) == "standby"
        startTime = String(try value(Self.timeKey))
        label = String(try value(Self.labelKey))
        self.timeline = timeline
        incrementalFrom = values[Self.incrementalKey].flatMap { LSN($0) }
        incrementalFromTimeline = values[Self.incrementalTimelineKey].flatMap { TimelineID($0) }
        guard (incrementalFrom != nil) == (values[Self.incrementalKey] != nil),
            (incrementalFrom != nil) == (incrementalFromTimeline != nil)
        else { throw Self.broken("the incremental lines are malformed") }
    }

    /// The file without the lines that make the server refuse it as an incremental backup; every
    /// other byte stays as it is.
    public static func withoutIncrementalLines(_ bytes: [UInt8]) -> [UInt8] {
        var kept: [UInt8] = []
        kept.reserveCapacity(bytes.count)
        // A label text may look like anything, so only what follows the timeline is an entry.
        var isPastTimeline = false
        for line in bytes.split(separator: 0x0a, omittingEmptySubsequences: false) {
            let isIncremental = [incrementalKey, incrementalTimelineKey]
                .contains { line.starts(with: $0.utf8) }
            if isPastTimeline && isIncremental { continue }
            isPastTimeline = isPastTimeline || line.starts(with: timelineKey.utf8)
            kept.append(contentsOf: line)
            kept.append(0x0a)
        }
        kept.removeLast()
        return kept
    }

    private static let startKey = "START WAL LOCATION: "
    private static let checkpointKey = "CHECKPOINT LOCATION: "
    private static let fromKey = "BACKUP FROM: "
    private static let timeKey = "START TIME: "
    private static let labelKey = "LABEL: "
    private static let timelineKey = "START TIMELINE: "
    private static let incrementalKey = "INCREMENTAL FROM LSN: "
    private static let incrementalTimelineKey = "INCREMENTAL FROM TLI: "
    private static let keys = [
        startKey, checkpointKey, fromKey, timeKey, labelKey, timelineKey, incrementalKey,
        incrementalTimelineKey,
    ]

    private static func broken(_ what: String) -> PgkeepError {
        PgkeepError(
            .sourceBroken,
            "backup_label is broken: \(what)",
            hint: "take the backup again"
        )
    }
}
