package import Domain
import Logging
import Platform
import Vaulting

/// What the clock showed when the vault was last pruned, so that a clock that jumps ahead lets
/// nothing go before its time.
///
/// A jump of more than two days is believed when the server's clock says the same, unless this
/// machine has run all the while and knows better; or two days later, when the clock still goes on
/// from there; or when the operator says so.
package struct ClockMark: Codable, Sendable, Equatable {
    /// The clock that was believed, and what it showed.
    package struct Jump: Codable, Sendable, Equatable {
        /// Before.
        package var from: Timestamp
        /// After.
        package var to: Timestamp
    }

    /// What the clock showed.
    package var seen: Timestamp
    /// Which boot of which machine that was.
    package var boot: String
    /// Seconds on that machine's clock that never steps.
    package var monotonicSeconds: Double
    /// A jump that is not believed yet.
    package var jump: Jump?

    enum CodingKeys: String, CodingKey {
        case seen, boot, jump
        case monotonicSeconds = "monotonic_seconds"
    }

    /// Days a clock may be ahead without being doubted.
    static let toleranceSeconds: Int64 = 2 * 86400

    /// What to go by.
    package struct Verdict: Sendable, Equatable {
        /// A moment that has certainly come.
        package var now: Timestamp
        /// What the operator should know.
        package var warning: String?
        /// What to remember.
        package var mark: ClockMark
    }

    /// Judges the clock.
    ///
    /// - Parameters:
    ///   - last: what was remembered; nil the first time.
    ///   - evidence: the latest moment any server's clock has shown; nil when none is known.
    ///   - isTrusted: the operator vouches for the clock.
    package static func judge(
        _ now: Timestamp,
        monotonicSeconds: Double,
        boot: String,
        last: ClockMark?,
        evidence: Timestamp?,
        isTrusted: Bool
    ) -> Verdict {
        var mark = ClockMark(seen: now, boot: boot, monotonicSeconds: monotonicSeconds)
        guard let last, !isTrusted, now > last.seen else {
            return Verdict(now: now, warning: nil, mark: mark)
        }
        var jump = last.jump
        let isSame = !boot.isEmpty && boot == last.boot && monotonicSeconds >= last.monotonicSeconds
        let tolerated = last.seen.adding(seconds: toleranceSeconds)
        if now > tolerated {
            let elapsed = isSame ? Int64(monotonicSeconds - last.monotonicSeconds) : nil
            let isImpossible = elapsed.map { now > tolerated.adding(seconds: $0) } ?? false
            let isConfirmed = evidence.map { $0.adding(seconds: toleranceSeconds) >= now } ?? false
            let hasRunOn = elapsed != nil && !isImpossible
            if isImpossible || !(isConfirmed || hasRunOn) {
                let from = jump?.from ?? last.seen
                jump = Jump(from: from.adding(seconds: min(elapsed ?? 0, 1 << 40)), to: now)
            }
        }
        if let open = jump {
            // Back before it: it was none. Long after it: the clock goes on as clocks do.
            let isOver = now < open.to || now > open.to.adding(seconds: toleranceSeconds)
            jump = isOver ? nil : open
        }
        mark.jump = jump
        guard let jump else { return Verdict(now: now, warning: nil, mark: mark) }
        let doubted = jump.from.adding(seconds: now.seconds - jump.to.seconds)
        return Verdict(
            now: min(doubted, now),
            warning: "the clock went from \(jump.from) to \(jump.to) with no sign that the time has"
                + " passed; nothing expires by it before"
                + " \(jump.to.adding(seconds: toleranceSeconds)), unless --trust-clock is given",
            mark: mark
        )
    }

    /// Which boot of which machine this is.
    static var boot: String { ProcessIdentity.current().boot }

    // MARK: The record

    private static let id = "vault"

    private static func store(_ context: JobContext) -> RecordStore<ClockMark> {
        RecordStore(context.vault, kind: "clock", clock: context.clock)
    }

    /// What was remembered; nil when there is nothing, or nothing that can be read.
    static func read(_ context: JobContext) throws -> ClockMark? {
        do {
            return try store(context).read(id)?.value
        } catch let error as PgkeepError where error.isDamage {
            return nil
        }
    }

    /// Remembers this. Another pruner that is faster remembers as much.
    func write(_ context: JobContext) throws {
        let store = Self.store(context)
        do {
            if let old = try store.read(Self.id) {
                try store.update(old, to: self)
            } else {
                try store.create(Self.id, self)
            }
        } catch let error as PgkeepError
            where [.busy, .exists, .storeFull].contains(error.code) || error.isDamage
        {
            context.log.debug("clock not noted", metadata: ["why": "\(error)"])
        }
    }
}
