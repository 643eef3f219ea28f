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

    enum CodingKeys: String, CodingKey {
        case timeline, at, slot, failure
        case receivedLSN = "received_lsn"
        case durableLSN = "durable_lsn"
        case serverLSN = "server_lsn"
        case serverTime = "server_time"
        case caughtUpAt = "caught_up_at"
        case lastCommitAt = "last_commit_at"
        case isConnected = "connected"
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
}
