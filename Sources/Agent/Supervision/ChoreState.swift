import Domain

/// Where one chore stands: waiting for its next run, running, or being ended.
struct ChoreState {
    /// What it is at.
    enum Phase: Hashable {
        /// Run again from this moment on.
        case waiting(until: Double)
        /// Its command runs.
        case running
        /// It was asked to end, and is killed from this moment on.
        case ending(killAt: Double)
    }

    var chore: Chore
    var phase: Phase
    /// False when its command is to be ended and not run again.
    var isWanted = true
    /// Why it was asked to end, when that is a failure of its own.
    var offence: String?
    var rule = RestartRule()
    var pid: Int32?
    var starts = 0
    var failures = 0
    /// When its command was last started, on the steady clock.
    var startedAt = 0.0
    /// The same on the wall clock.
    var begunAt: Timestamp?
    /// When daily work was last begun that came to a good end, by anybody.
    var servedAt: Timestamp?
    var memoryBytes: UInt64?
    var lastFailure: String?
    /// True when its last run failed.
    var isFailing = false
    /// True when its last run found somebody else at it.
    var isBusyElsewhere = false

    /// A chore to be begun at `moment`.
    init(_ chore: Chore, from moment: Double) {
        self.chore = chore
        phase = .waiting(until: moment)
    }

    var isActive: Bool {
        if case .waiting = phase { false } else { true }
    }

    /// Seconds from `now` until it is to be run; zero or less when it is due, nil while it runs.
    func secondsToRun(_ now: Double, _ wall: Timestamp, delay: Int64) -> Double? {
        guard case .waiting(let until) = phase else { return nil }
        guard case .daily(let time) = chore.rhythm else { return until - now }
        let due = time.due(lastBegun: servedAt, now: wall, delay: delay)
        return max(until - now, due.seconds(since: wall))
    }

    mutating func begin(_ now: Double, _ wall: Timestamp) {
        phase = .running
        offence = nil
        starts += 1
        startedAt = now
        begunAt = wall
        pid = nil
        memoryBytes = nil
    }

    /// Takes in how a run ended; what is to be told of it, if anything.
    mutating func end(_ report: RunReport, _ now: Double, chance: Double) -> RunEvent? {
        let wasAsked = if case .ending = phase { offence == nil } else { false }
        pid = nil
        memoryBytes = nil
        let failure = wasAsked ? nil : offence.map { _ in .broken } ?? report.failure
        guard let failure else {
            rule.succeeded()
            isFailing = false
            isBusyElsewhere = false
            servedAt = wasAsked ? servedAt : begunAt
            phase = .waiting(until: now + pauseAfterSuccess(report, wasAsked: wasAsked))
            return nil
        }
        let wasLoop = rule.isCrashLoop
        let pause = rule.failed(failure, at: now, ranSeconds: now - startedAt, chance: chance)
        let seconds = pauseAfterFailure(pause, report)
        phase = .waiting(until: now + seconds)
        if failure == .busy {
            defer { isBusyElsewhere = true }
            return isBusyElsewhere ? nil : .busyElsewhere(report.words)
        }
        isBusyElsewhere = false
        isFailing = true
        failures += 1
        let words = offence ?? report.words
        lastFailure = words
        if rule.isCrashLoop, !wasLoop { return .crashLoop(words, seconds: seconds) }
        return .failed(words, seconds: seconds)
    }

    private func pauseAfterSuccess(_ report: RunReport, wasAsked: Bool) -> Double {
        if wasAsked { return 0 }
        return switch chore.rhythm {
        case .always: RestartRule.pauseSeconds.first
        case .every(let seconds): report.nextSeconds ?? seconds
        case .daily: 0
        }
    }

    private func pauseAfterFailure(_ pause: Double, _ report: RunReport) -> Double {
        switch chore.rhythm {
        case .always: pause
        case .every(let seconds): max(report.nextSeconds ?? seconds, pause)
        // Nobody waits for daily work, and each try costs more than a connection.
        case .daily: pause * 60
        }
    }
}

/// What an agent tells of a run that did not end well.
public enum RunEvent: Hashable, Sendable {
    /// It failed and is run again in so many seconds.
    case failed(String, seconds: Double)
    /// It has failed so often that it is run again only in so many seconds.
    case crashLoop(String, seconds: Double)
    /// Somebody else is doing it; told once.
    case busyElsewhere(String)
    /// It uses more memory than it may.
    case tooLarge(String)
    /// It was asked to end and did not in time.
    case killed
}

/// How a run ended, and what it asks for.
public struct RunReport: Hashable, Sendable {
    /// Why it counts as failed; nil when it does not.
    public var failure: RestartRule.Failure?
    /// The failure in words.
    public var words: String
    /// Seconds after which it wants to be run again.
    public var nextSeconds: Double?

    /// A report.
    public init(failure: RestartRule.Failure?, words: String = "", nextSeconds: Double? = nil) {
        self.failure = failure
        self.words = words
        self.nextSeconds = nextSeconds
    }
}
