public import Domain

/// What an agent runs, and what it does next about it: pure rules without clock, process or vault.
///
/// Told what is wanted and what happens, it answers with actions for somebody else to carry out.
/// `now` is always seconds on one steady clock.
public struct Supervision: Sendable {
    /// Something to do.
    public enum Action: Hashable, Sendable {
        /// Run the chore's command; `began` and `ended` tell of it.
        case start(Chore)
        /// Ask it to end in good order.
        case terminate(Chore.ID)
        /// End it and all it started by force.
        case kill(Chore.ID)
        /// Tell people.
        case tell(Chore.ID, RunEvent)
    }

    /// Limits the operator sets.
    public struct Limits: Hashable, Sendable {
        /// Seconds a backup may go on when the agent is to stop.
        public var stopSeconds: Double
        /// Memory a child may use, in bytes.
        public var memoryBytesMax: UInt64

        /// Limits.
        public init(stopSeconds: Double = 60, memoryBytesMax: UInt64 = 1 << 30) {
            self.stopSeconds = stopSeconds
            self.memoryBytesMax = memoryBytesMax
        }
    }

    /// Seconds between the wish that a child ends and its end by force.
    public static let graceSeconds = 30.0
    /// The same after a second wish that the agent ends.
    public static let hastySeconds = 10.0
    /// Backups at work at a time; the others wait, the longest overdue first.
    public static let heavyMax = 4
    /// Daily work begins up to so much later than asked, each agent at its own moment.
    public static let delaySecondsMax: Int64 = 1800

    /// The limits.
    public var limits: Limits
    /// False while the vault is out of reach: nothing is begun that would only fail.
    public private(set) var isVaultReachable = true
    private var states: [Chore.ID: ChoreState] = [:]
    private var stopAt: Double?
    private let delay: Int64
    private let chance: @Sendable () -> Double

    /// Nothing is wanted yet.
    ///
    /// - Parameter chance: from 0 to 1, anew with each call.
    public init(
        limits: Limits,
        chance: @escaping @Sendable () -> Double = { Double.random(in: 0...1) }
    ) {
        self.limits = limits
        self.chance = chance
        delay = Int64(chance() * Double(Self.delaySecondsMax))
    }

    /// True once the agent is to stop.
    public var isStopping: Bool { stopAt != nil }

    /// True when it is to stop and nothing runs any more.
    public var isDone: Bool { isStopping && !states.values.contains { $0.isActive } }

    /// The chores whose commands run.
    public var running: [Chore.ID] { states.values.filter(\.isActive).map(\.chore.id) }

    // MARK: - What is wanted

    /// Keeps these chores and no others: new ones begin, others end.
    ///
    /// - Parameter served: when daily work was last begun, as far as the vault knows.
    public mutating func keep(
        _ chores: [Chore],
        served: [Chore.Kind: Timestamp] = [:],
        at now: Double
    ) -> [Action] {
        guard !isStopping else { return [] }
        var actions: [Action] = []
        let wanted = Dictionary(chores.map { ($0.id, $0) }) { $1 }
        for (id, var state) in states {
            if let chore = wanted[id] {
                let isChanged = state.chore.command != chore.command
                state.chore = chore
                state.isWanted = true
                if isChanged, state.phase == .running { actions += ask(&state, now) }
            } else {
                state.isWanted = false
                if state.phase == .running { actions += ask(&state, now) }
            }
            states[id] = state
        }
        for chore in chores where states[chore.id] == nil {
            states[chore.id] = ChoreState(chore, from: now + firstPause(chore))
        }
        for (kind, moment) in served {
            for (id, state) in states where id.kind == kind {
                states[id]?.servedAt = max(moment, state.servedAt ?? moment)
            }
        }
        states = states.filter { $0.value.isWanted || $0.value.isActive }
        return actions
    }

    /// Work of the whole vault leaves the first minute to the instances.
    private func firstPause(_ chore: Chore) -> Double {
        if case .daily = chore.rhythm { 60 + 60 * chance() } else { 0 }
    }

    /// Has chores of a kind look anew soon: what they go by may have changed.
    public mutating func awaken(_ kind: Chore.Kind, at now: Double) {
        for (id, state) in states where id.kind == kind {
            guard case .waiting(let until) = state.phase else { continue }
            states[id]?.phase = .waiting(until: min(until, now))
        }
    }

    /// The vault is in reach or not. Back again, what failed for it is tried soon.
    public mutating func setVaultReachable(_ isReachable: Bool, at now: Double) {
        defer { isVaultReachable = isReachable }
        guard isReachable, !isVaultReachable else { return }
        for (id, state) in states where state.isFailing && !state.rule.isCrashLoop {
            guard case .waiting(let until) = state.phase else { continue }
            states[id]?.phase = .waiting(until: min(until, now + chance()))
        }
    }

    /// Ends everything: backups may go on for a while, and no longer when asked a second time.
    public mutating func stop(at now: Double) -> [Action] {
        let isSecond = isStopping
        stopAt = isSecond ? min(stopAt ?? now, now) : now + limits.stopSeconds
        var actions: [Action] = []
        for (id, var state) in states {
            if case .ending(let killAt) = state.phase, isSecond {
                state.phase = .ending(killAt: min(killAt, now + Self.hastySeconds))
            }
            if state.phase == .running, isSecond || id.kind.patience(limits.stopSeconds) == 0 {
                actions += ask(&state, now)
            }
            states[id] = state
        }
        return actions
    }

    // MARK: - What happens

    /// A chore's command runs as process `pid`; true when it was to end before it had begun.
    public mutating func began(_ id: Chore.ID, pid: Int32) -> Bool {
        states[id]?.pid = pid
        if case .ending = states[id]?.phase { return true }
        return false
    }

    /// A chore's command uses so much memory.
    public mutating func measured(_ id: Chore.ID, bytes: UInt64, at now: Double) -> [Action] {
        guard var state = states[id], state.isActive else { return [] }
        state.memoryBytes = bytes
        var actions: [Action] = []
        if bytes > limits.memoryBytesMax, state.phase == .running {
            let words =
                "it uses \(bytes >> 20) MiB of memory, more than"
                + " \(limits.memoryBytesMax >> 20) MiB"
            state.offence = words
            actions = [.tell(id, .tooLarge(words))] + ask(&state, now)
        }
        states[id] = state
        return actions
    }

    /// A chore's command has ended.
    public mutating func ended(_ id: Chore.ID, _ report: RunReport, at now: Double) -> [Action] {
        guard var state = states[id], state.isActive else { return [] }
        let event = state.end(report, now, chance: chance())
        states[id] = state.isWanted ? state : nil
        return event.map { [.tell(id, $0)] } ?? []
    }

    /// Time has passed: begins what is due, ends by force what does not end.
    public mutating func look(at now: Double, wall: Timestamp) -> [Action] {
        var actions: [Action] = []
        for (id, var state) in states {
            if case .ending(let killAt) = state.phase, now >= killAt {
                actions += [.kill(id), .tell(id, .killed)]
                state.phase = .ending(killAt: .infinity)
            }
            if let stopAt, now >= stopAt, state.phase == .running { actions += ask(&state, now) }
            states[id] = state
        }
        guard !isStopping, isVaultReachable else { return actions }
        var heavy = heavyCount
        let due = states.values
            .compactMap { state in
                state.secondsToRun(now, wall, delay: delay).map { (seconds: $0, state: state) }
            }
            .filter { $0.seconds <= 0 }
            .sorted { $0.seconds < $1.seconds }
        for (_, state) in due {
            let id = state.chore.id
            if id.kind.isHeavy {
                guard heavy < Self.heavyMax else { continue }
                heavy += 1
            }
            states[id]?.begin(now, wall)
            actions.append(.start(state.chore))
        }
        return actions
    }

    /// Seconds until `look` has something to do, unless something happens before.
    public func secondsToLook(at now: Double, wall: Timestamp) -> Double {
        let isFull = heavyCount >= Self.heavyMax
        return states.values.map { state in
            switch state.phase {
            case .ending(let killAt): killAt - now
            case .running: stopAt.map { $0 - now } ?? .infinity
            case .waiting:
                // Who waits for another's end is looked at then.
                isStopping || !isVaultReachable || (isFull && state.chore.id.kind.isHeavy)
                    ? .infinity : state.secondsToRun(now, wall, delay: delay) ?? .infinity
            }
        }.min().map { max(0, $0) } ?? .infinity
    }

    private var heavyCount: Int {
        states.values.count { $0.chore.id.kind.isHeavy && $0.isActive }
    }

    private mutating func ask(_ state: inout ChoreState, _ now: Double) -> [Action] {
        state.phase = .ending(killAt: now + Self.graceSeconds)
        return [.terminate(state.chore.id)]
    }

    // MARK: - Telling

    /// All chores for a report, by instance and kind.
    public func children(at now: Double, wall: Timestamp) -> [AgentReport.Child] {
        states.values.map { state in
            let id = state.chore.id
            var child = AgentReport.Child(command: state.chore.command, instance: id.instance)
            child.state =
                state.isActive
                ? .running
                : state.rule.isCrashLoop ? .crashLoop : state.isFailing ? .backingOff : .waiting
            child.pid = state.pid
            child.starts = state.starts
            child.failures = state.failures
            child.startedAt = state.begunAt
            child.nextAt = state.secondsToRun(now, wall, delay: delay).map {
                wall.adding(seconds: Int64(max(0, $0).rounded()))
            }
            child.memoryBytes = state.memoryBytes
            child.lastFailure = state.lastFailure
            return child
        }.sorted {
            ($0.instance?.description ?? "", $0.command.joined(separator: " "))
                < ($1.instance?.description ?? "", $1.command.joined(separator: " "))
        }
    }
}
