public import Domain

/// A record of the WAL that matters to backup and recovery; all others pass unreported.
public struct WALEvent: Hashable, Sendable {
    /// What the record says.
    public enum Kind: Hashable, Sendable {
        /// A commit or abort, of a prepared transaction or an ordinary one.
        case transactionEnd(TransactionEnd)
        /// `pg_create_restore_point`.
        case restorePoint(name: String, time: Timestamp)
        /// A checkpoint; one whose timelines differ ended a recovery.
        case checkpoint(WALCheckpoint)
        /// A promotion: the first record of `timeline`.
        case endOfRecovery(timeline: TimelineID, previous: TimelineID, time: Timestamp)
        /// New values of the settings recovery must match, and of `wal_level`.
        case parameterChange(SettingsFloor, walLevel: Int32)
        /// A tablespace whose files lie in `path` on the source's host, and where the record before
        /// starts.
        case tablespaceCreated(oid: UInt32, path: String, previous: LSN)
        /// The backup that began at `start` is consistent from here on.
        case backupEnd(start: LSN)
        /// The rest of the segment is unused.
        case segmentSwitch
        /// The record begun at `lost` was never finished; a crash recovery wrote over it.
        case overwroteRecord(lost: LSN)
    }

    /// Where the record starts.
    public var start: LSN
    /// The position after it, rounded up to 8; after a switch, the end of the segment.
    public var end: LSN
    /// What it says.
    public var kind: Kind

    /// The timeline this record leaves and the one it begins, if it does.
    public var timelineSwitch: (from: TimelineID, to: TimelineID)? {
        switch kind {
        case .endOfRecovery(let timeline, let previous, _): (previous, timeline)
        case .checkpoint(let checkpoint) where checkpoint.timeline != checkpoint.previousTimeline:
            (checkpoint.previousTimeline, checkpoint.timeline)
        default: nil
        }
    }
}
