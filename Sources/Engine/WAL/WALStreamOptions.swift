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
