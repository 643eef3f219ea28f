/// The identity of a job: a UUID version 7, so that ids sort by the time they were given.
public struct JobID: Hashable, Comparable, Sendable, Codable, LosslessStringConvertible {
    private let value: PointID

    /// An id given at `time`; of `random`, 74 bits are used.
    public init(time: Timestamp, random: (UInt64, UInt64)) {
        value = PointID(time: time, random: random)
    }

    /// Parses the text form; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard let value = PointID(text) else { return nil }
        self.value = value
    }

    /// When it was given, in whole milliseconds.
    public var time: Timestamp { value.time }

    /// 36 lower-case characters.
    public var description: String { value.description }

    /// Orders by birth.
    public static func < (left: JobID, right: JobID) -> Bool { left.value < right.value }

    /// Reads the text form.
    public init(from decoder: any Decoder) throws { self = try decodeText(decoder, "a job id") }

    /// Writes the text form.
    public func encode(to encoder: any Encoder) throws { try encodeText(self, encoder) }
}
