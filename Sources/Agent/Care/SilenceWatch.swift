public import Domain

/// Whether others' sessions still give signs of life, by one's own steady clock alone.
///
/// Neither two hosts' clocks nor a process that exists and does nothing can mislead it: what counts
/// is that the number of signs has not changed for long enough while it was watched.
public struct SilenceWatch: Sendable {
    private struct Seen {
        var beats: UInt64
        var since: Double
        var lookedAt: Double
    }
    private let seconds: Double
    private var seen: [PointID: Seen] = [:]

    /// Longer pauses between two looks prove nothing: the watcher itself may have been suspended.
    public static let pauseSecondsMax = 20.0

    /// Takes `seconds` of silence for the end.
    public init(seconds: Double) { self.seconds = seconds }

    /// Takes in that `session` had given `beats` signs at `now`; true when it counts as silent.
    public mutating func isSilent(_ session: PointID, beats: UInt64, at now: Double) -> Bool {
        guard let known = seen[session], known.beats == beats,
            now - known.lookedAt <= Self.pauseSecondsMax
        else {
            seen[session] = Seen(beats: beats, since: now, lookedAt: now)
            return false
        }
        seen[session]?.lookedAt = now
        return now - known.since >= seconds
    }

    /// Forgets all sessions but these.
    public mutating func keep(_ sessions: Set<PointID>) {
        seen = seen.filter { sessions.contains($0.key) }
    }
}
