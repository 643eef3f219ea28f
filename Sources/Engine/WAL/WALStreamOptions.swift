public import Domain

/// How WAL is to be streamed.
public struct WALStreamOptions: Sendable {
    /// End when everything the server had at the start is durable, instead of streaming on.
    public var untilCaughtUp: Bool
    /// Go on behind WAL that is lost for good, recording the gap.
    public var acceptsGap: Bool
    /// Name at the server, for `synchronous_standby_names`.
    public var applicationName: String
    /// Seconds between small commits of our own on the source; nil for none.
    public var heartbeatSeconds: Double?

    /// The slot is given up when it keeps more bytes of WAL on the server; nil: as the instance's
    /// record says.
    public var giveUpSlotBytes: UInt64?
    /// Bytes to stay free in the vault's store; nil: 2 %, at least 32 MiB and at most 1 GiB.
    public var minFreeBytes: UInt64?
    /// Seconds between two looks at the slot.
    public var watchSeconds: Double = 30

    /// The name the server sees unless told otherwise.
    public static let applicationNameDefault = "pgkeep"

    /// Options of a stream.
    public init(
        untilCaughtUp: Bool = false,
        acceptsGap: Bool = false,
        applicationName: String = applicationNameDefault,
        heartbeatSeconds: Double? = nil
    ) {
        self.untilCaughtUp = untilCaughtUp
        self.acceptsGap = acceptsGap
        self.applicationName = applicationName
        self.heartbeatSeconds = heartbeatSeconds
    }
}

/// What a stream did until it ended.
public struct WALStreamResult: Sendable, Encodable {
    /// The timeline it ended on.
    public var timeline: TimelineID
    /// Everything before it is durable.
    public var durableLSN: LSN
    /// Segments sealed.
    public var segments: UInt64
    /// Bytes of WAL taken in.
    public var bytes: UInt64

    enum CodingKeys: String, CodingKey {
        case timeline, segments, bytes
        case durableLSN = "durable_lsn"
    }
}
