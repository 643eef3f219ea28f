/// The hours of the day in which backups may begin: `22:00-06:00`, also over midnight.
public struct AllowedHours: Hashable, Sendable, Codable, LosslessStringConvertible {
    /// The first minute, counted from midnight.
    public let from: Int
    /// The minute after the last; `from` when the whole day is allowed.
    public let to: Int

    /// Parses `hh:mm-hh:mm`; nil for anything else.
    public init?(_ text: some StringProtocol) {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let from = Self.minute(ends[0]), let to = Self.minute(ends[1]) else {
            return nil
        }
        self.from = from
        self.to = to
    }

    /// How many minutes a day they are.
    public var minutes: Int { to > from ? to - from : to - from + 1440 }

    /// True when a minute of the day is among them.
    public func contains(minute: Int) -> Bool {
        (minute - from + 1440) % 1440 < minutes
    }

    /// True when a clock on the wall shows one of them.
    public func contains(_ time: LocalTime) -> Bool { contains(minute: time.minuteOfDay) }

    /// `hh:mm-hh:mm`.
    public var description: String { "\(Self.text(from))-\(Self.text(to))" }

    private static func minute(_ text: some StringProtocol) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let isNumber = { (part: Substring.UTF8View) in
            part.count == 2 && part.allSatisfy { (48...57).contains($0) }
        }
        guard parts.count == 2, parts.allSatisfy({ isNumber(Substring($0).utf8) }),
            let hour = Int(parts[0]), let minute = Int(parts[1]), minute < 60,
            hour * 60 + minute <= 1440
        else { return nil }
        return (hour * 60 + minute) % 1440
    }

    private static func text(_ minute: Int) -> String {
        let pad = { (value: Int) in value < 10 ? "0\(value)" : "\(value)" }
        return "\(pad(minute / 60)):\(pad(minute % 60))"
    }

    /// Reads the text form.
    public init(from decoder: any Decoder) throws {
        self = try decodeText(decoder, "hours of the day")
    }

    /// Writes the text form.
    public func encode(to encoder: any Encoder) throws { try encodeText(self, encoder) }
}
