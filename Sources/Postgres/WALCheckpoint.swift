public import Domain

/// What a checkpoint record says: also kept as a copy in pg_control.
///
/// Source of the format: struct CheckPoint of src/include/catalog/pg_control.h, 88 bytes in
/// PostgreSQL 13–18; 17 put `wal_level` in what was padding.
public struct WALCheckpoint: Hashable, Sendable {
    static let size = 88

    /// True for CHECKPOINT_ONLINE, false for CHECKPOINT_SHUTDOWN, nil when read from pg_control.
    public var isOnline: Bool?
    /// Where replay from this checkpoint begins.
    public var redo: LSN
    /// The timeline the checkpoint belongs to.
    public var timeline: TimelineID
    /// Another one than `timeline` when this checkpoint ended recovery and began a timeline.
    public var previousTimeline: TimelineID
    /// The next transaction id with its epoch in the high half.
    public var nextXID: UInt64
    /// When it was made; whole seconds.
    public var time: Timestamp

    init(_ bytes: UnsafeRawBufferPointer, isOnline: Bool?) {
        self.isOnline = isOnline
        redo = LSN(bytes.field(0))
        timeline = bytes.field(8)
        previousTimeline = bytes.field(12)
        nextXID = bytes.field(24)
        time = Timestamp(seconds: bytes.field(64))
    }
}
