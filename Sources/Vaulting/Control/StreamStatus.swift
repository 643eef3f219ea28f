public import Domain

/// What a running WAL stream tells in its lease: everything `wal status` shows of it.
public struct StreamStatus: Hashable, Sendable, Codable {
    /// The timeline being streamed.
    public var timeline: TimelineID
    /// End of what has arrived.
    public var receivedLSN: LSN
    /// End of what is durable in the vault and has been acknowledged.
    public var durableLSN: LSN
    /// End of what the server had to send when it last spoke.
    public var serverLSN: LSN
    /// When the server last spoke, on its own clock.
    public var serverTime: Timestamp?
    /// When this was written, on the streamer's clock.
    public var at: Timestamp
    /// When durable last reached the server's end, on the streamer's clock.
    public var caughtUpAt: Timestamp?
    /// The time of the last commit seen in the stream.
    public var lastCommitAt: Timestamp?
    /// The replication slot, if one is used.
    public var slot: String?
    /// False while the streamer waits to reconnect.
    public var isConnected: Bool
    /// The last failure, in one line, while not connected.
    public var failure: String?
    /// Why no WAL is taken for now, in one line: the vault's disk is nearly full.
    public var pause: String?
    /// The server it streams from, without a password.
    public var source: String?
    /// Whether that one is a standby.
    public var isStandby: Bool?
    /// Bytes of WAL the slot keeps on the server.
    public var slotRetainedBytes: UInt64?
    /// Bytes that may be written before the slot is lost; nil: unlimited, or not known.
    public var safeWALBytes: UInt64?
    /// The server's word for the slot's state: `reserved`, `extended`, `unreserved`, `lost`.
    public var slotState: String?
    /// Bytes of kept WAL at which the slot is given up.
    public var giveUpSlotBytes: UInt64?
    /// Why the slot could not be looked at, or not fully.
    public var slotNote: String?

    enum CodingKeys: String, CodingKey {
        case timeline, at, slot, failure, pause, source
        case receivedLSN = "received_lsn"
        case durableLSN = "durable_lsn"
        case serverLSN = "server_lsn"
        case serverTime = "server_time"
        case caughtUpAt = "caught_up_at"
        case lastCommitAt = "last_commit_at"
        case isConnected = "connected"
        case isStandby = "standby"
        case slotRetainedBytes = "slot_retained_bytes"
        case safeWALBytes = "safe_wal_bytes"
        case slotState = "slot_state"
        case giveUpSlotBytes = "give_up_slot_bytes"
        case slotNote = "slot_note"
    }

    /// A stream that stands at one position; the rest is set afterwards.
    public init(timeline: TimelineID, at position: LSN, time: Timestamp) {
        self.timeline = timeline
        receivedLSN = position
        durableLSN = position
        serverLSN = position
        at = time
        isConnected = false
    }

    /// How the slot stands; nil when that is not known.
    public var slotPressure: SlotPressure? {
        slotRetainedBytes.map {
            SlotPressure(
                retainedBytes: $0,
                safeBytes: safeWALBytes,
                state: slotState,
                limitBytes: giveUpSlotBytes
            )
        }
    }
}
