public import Domain

/// How much of a job is done and how long it will still take, from what its phases have cost.
///
/// The share is one of time: elapsed / (elapsed + estimate), so phases weigh what they cost, and
/// share and estimate never contradict each other. No clock of its own; pure.
public struct JobEstimate: Sendable {
    /// What a phase costs before anything is known of it.
    struct Cost: Sendable {
        var name: String
        /// Seconds whatever its bytes.
        var seconds: Double
        /// A share of the main phase's time.
        var share = 0.0
        /// Bytes in a second, for phases whose bytes are known.
        var rate: Double?
    }

    /// What is known at a moment.
    public struct Result: Hashable, Sendable {
        /// 0 to 99.9.
        public var percent: Double
        /// Seconds left; nil when they cannot be told.
        public var eta: Double?
        /// Bytes in a second, in the phase it is in.
        public var rate: Double?
    }

    private let costs: [Cost]
    /// The phase that makes most of the time.
    private let main: String
    private let begun: Double
    private var phase = "start"
    private var phaseBegun: Double
    private var mainSeconds: Double?
    private var passed: Set<String> = []
    private var percent = 0.0

    /// A measured rate counts when this share of the bytes is done, or after this many seconds.
    private static let trusted = (share: 0.02, seconds: 1.0)

    /// A job that begins at `seconds` of a monotonic clock.
    ///
    /// - Parameter rates: what is known of this machine's restores.
    public init(_ kind: JobKind, at seconds: Double, rates: RestoreRates = .assumed) {
        (costs, main) = Self.costs(kind, rates)
        begun = seconds
        phaseBegun = seconds
    }

    private static func costs(_ kind: JobKind, _ rates: RestoreRates) -> ([Cost], main: String) {
        switch kind {
        case .backup:
            return (
                [
                    Cost(name: "connect", seconds: 0.2), Cost(name: "checkpoint", seconds: 0.5),
                    Cost(name: "copy", seconds: 0, rate: rates.baseBytesPerSecond),
                    Cost(name: "wal", seconds: 0.3),
                    Cost(name: "commit", seconds: 0.3),
                ], "copy"
            )
        case .restore:
            return (
                [
                    Cost(name: "plan", seconds: 0.1),
                    Cost(name: "fetch", seconds: 0, rate: rates.baseBytesPerSecond),
                    Cost(name: "wal", seconds: 0.1, rate: rates.baseBytesPerSecond),
                    Cost(name: "sync", seconds: 0.1, share: 0.05),
                    Cost(
                        name: "replay",
                        seconds: rates.fixedSeconds,
                        rate: rates.walBytesPerSecond
                    ),
                ], "fetch"
            )
        case .check: return ([Cost(name: "check", seconds: 0, rate: 1e9)], "check")
        case .stream: return ([Cost(name: "stream", seconds: 0, rate: 1e8)], "stream")
        case .drill:
            let (restore, main) = costs(.restore, rates)
            var all = restore
            // Read once more before the start; pg_amcheck reads what the files hold.
            all.insert(Cost(name: "verify", seconds: 0.2, share: 0.5), at: all.count - 1)
            all += [
                Cost(name: "check", seconds: 0.5, share: 0.5), Cost(name: "teardown", seconds: 0.5),
            ]
            return (all, main)
        case .prune, .delete, .lifecycle: return ([], "")
        }
    }

    /// A phase begins.
    public mutating func begin(_ next: String, at seconds: Double) {
        if phase == main { mainSeconds = (mainSeconds ?? 0) + seconds - phaseBegun }
        passed.insert(phase)
        // An attempt that failed is made again from the beginning.
        if passed.remove(next) != nil, let index = costs.firstIndex(where: { $0.name == next }) {
            for cost in costs[index...] { passed.remove(cost.name) }
            if passed.isDisjoint(with: [main]) { mainSeconds = nil }
        }
        phase = next
        phaseBegun = seconds
    }

    /// What can be told at `seconds`.
    ///
    /// - Parameter planned: bytes of phases, as far as they are known beforehand.
    public mutating func update(
        _ progress: Progress,
        planned: [String: UInt64],
        at seconds: Double
    ) -> Result {
        let spent = seconds - phaseBegun
        let measured = progress.phase == phase ? progress : Progress(phase: phase)
        let rate = spent > 0 && measured.doneBytes > 0 ? Double(measured.doneBytes) / spent : nil
        guard let left = left(measured, planned, spent) else {
            return Result(percent: percent, eta: nil, rate: rate)
        }
        let elapsed = max(seconds - begun, 0)
        if elapsed + left > 0 {
            percent = min(max(percent, elapsed / (elapsed + left) * 100), 99.9)
        }
        return Result(percent: percent, eta: left, rate: rate)
    }

    /// Seconds left, or nil while the main phase's size is not known.
    private func left(
        _ progress: Progress,
        _ planned: [String: UInt64],
        _ spent: Double
    ) -> Double? {
        let current = costs.first { $0.name == phase }
        let expected = current.flatMap { cost($0, planned, progress.totalBytes) } ?? 0.5
        // What takes longer than thought may take half as long again as it is late.
        var left = max(expected - spent, min(1, expected / 4) + (spent - expected) / 2)
        if let total = progress.totalBytes, total > 0 {
            let share = Double(progress.doneBytes) / Double(total)
            if share > 0, share >= Self.trusted.share || spent >= Self.trusted.seconds {
                left = spent * (1 - share) / share
                // Replay ends with a promotion, whatever its bytes.
                if let current, current.seconds > 0 { left += current.seconds / 4 }
            } else if phase == main, spent >= Self.trusted.seconds {
                return nil
            }
        } else if phase == main || main.isEmpty {
            return nil
        }
        let mainLeft = phase == main ? spent + left : nil
        for later in costs where later.name != phase && !passed.contains(later.name) {
            if later.name == "replay", planned["replay"] == nil { continue }
            guard let seconds = cost(later, planned, nil, main: mainLeft) else { return nil }
            left += seconds
        }
        return left
    }

    /// What a phase is expected to cost; nil for a main phase of unknown size.
    private func cost(
        _ cost: Cost,
        _ planned: [String: UInt64],
        _ total: UInt64?,
        main current: Double? = nil
    ) -> Double? {
        var seconds = cost.seconds + cost.share * (current ?? mainSeconds ?? 0)
        if let rate = cost.rate {
            if let bytes = total ?? planned[cost.name] {
                seconds += Double(bytes) / rate
            } else if cost.name == main {
                return nil
            }
        }
        return seconds
    }
}
