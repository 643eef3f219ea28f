import Domain
import Vaulting

/// Chooses a moment of a recovery window by chance, each second of it as likely as any other.
struct RandomMoment {
    private let context: JobContext
    private let instance: InstanceRecord

    /// Moments that turn out to be out of reach are chosen anew so often.
    private static let attemptsMax = 16

    /// Moments of `instance`.
    init(_ context: JobContext, _ instance: InstanceRecord) {
        self.context = context
        self.instance = instance
    }

    /// A moment that can be restored. Throws `.outsideWindow` when there is none.
    func choose() throws -> RecoveryTargetSpec {
        let survey = try ArchiveSurvey(context, instance)
        var last = RecoveryTargetSpec()
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<Self.attemptsMax {
            guard let spec = Self.moment(survey.window, using: &generator) else { break }
            if try survey.plan(spec).isReachable { return spec }
            last = spec
        }
        if let error = try survey.plan(last).error { throw error }
        return last
    }

    /// A moment of `window`; nil when that is empty. An island is as likely as a second.
    static func moment(
        _ window: RecoveryWindow,
        using generator: inout some RandomNumberGenerator
    ) -> RecoveryTargetSpec? {
        let stretches = window.intervals.map { interval in
            let end = interval.streamedUntil ?? interval.latest
            return (
                begin: interval.earliest.microseconds,
                length: max(end.microseconds - interval.earliest.microseconds, 0),
                timeline: interval.timeline
            )
        }
        let total = stretches.reduce(0) { $0 + max($1.length, 1_000_000) }
        guard total > 0 else { return nil }
        var chosen = Int64.random(in: 0..<total, using: &generator)
        for stretch in stretches {
            let weight = max(stretch.length, 1_000_000)
            guard chosen >= weight else {
                let moment = stretch.begin + min(chosen, stretch.length)
                return RecoveryTargetSpec(
                    .time(Timestamp(microseconds: moment)),
                    timeline: stretch.timeline
                )
            }
            chosen -= weight
        }
        return nil
    }
}
