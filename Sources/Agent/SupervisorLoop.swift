import Domain
import Glibc
import Logging
import Platform

/// The thread that decides: takes in events, asks `Supervision`, and carries its actions out.
final class SupervisorLoop {
    private let setup: Supervisor.Setup
    private let inbox: Condition<[SupervisorEvent]>
    private let state: Condition<AgentReport>
    private let clock: any Clock
    private let log: Logger
    private var settings: AgentSettings
    private var supervision: Supervision
    private var care: CareThread
    private var children: [Chore.ID: ChildProcess] = [:]
    private var round = InstanceCare.Round()
    private var measuredAt = -Double.infinity
    private var failure: (any Error)?
    private var hasReleased = false
    private var silence = VaultSilence()
    private let crashLoops: CrashLoopAlerts
    private var toldCrashLoops: [String: Bool] = [:]

    /// Seconds between two looks at the memory of children.
    private static let measureSeconds = 10.0
    /// Seconds the vault may take to hear that an agent leaves.
    private static let releaseSeconds = 10.0
    /// How long a child may take to end once it was told to, whatever becomes of the agent; and who
    /// the records shall name as the one that started it.
    private static let variables = [
        "PGKEEP_STOP_SECONDS": "\(Int(Supervision.graceSeconds))", "PGKEEP_TRIGGER": "agent",
    ]

    init(
        _ setup: Supervisor.Setup,
        _ inbox: Condition<[SupervisorEvent]>,
        _ state: Condition<AgentReport>
    ) throws {
        self.setup = setup
        self.inbox = inbox
        self.state = state
        clock = setup.clock
        log = setup.log
        settings = try setup.settings()
        supervision = Supervision(limits: settings.limits)
        crashLoops = CrashLoopAlerts(setup)
        care = CareThread(setup, names: settings.names, inbox)
    }

    func run() throws {
        log.notice("agent begins", metadata: ["pid": "\(getpid())", "version": "\(setup.version)"])
        care.start()
        crashLoops.start()
        while !supervision.isDone {
            step()
        }
        care.finish()
        crashLoops.finish()
        let end = clock.monotonicSeconds + Self.releaseSeconds
        while !hasReleased, clock.monotonicSeconds < end { takeIn(inboxEvents(seconds: 1)) }
        publish()
        if let failure { throw failure }
        log.notice("agent ends")
    }

    private func step() {
        let now = clock.monotonicSeconds
        var wait = supervision.secondsToLook(at: now, wall: clock.now)
        wait = min(wait, max(0, measuredAt + Self.measureSeconds - now))
        takeIn(inboxEvents(seconds: wait))
        measure()
        carryOut(supervision.look(at: clock.monotonicSeconds, wall: clock.now))
        publish()
    }

    private func inboxEvents(seconds: Double) -> [SupervisorEvent] {
        inbox.wait(seconds: seconds) { events -> [SupervisorEvent]? in
            guard !events.isEmpty else { return nil }
            defer { events = [] }
            return events
        } ?? []
    }

    // MARK: - Events

    private func takeIn(_ events: [SupervisorEvent]) {
        for event in events {
            switch event {
            case .round(.success(let round)): vaultWasRead(round)
            case .round(.failure(let error)): vaultWasNotRead(error)
            case .hopeless(let error): giveUp(error)
            case .began(let id, let child): began(id, child)
            case .ended(let id, let report): ended(id, report)
            case .stop: stop()
            case .reload: reload()
            case .released: hasReleased = true
            }
        }
    }

    private func vaultWasRead(_ round: InstanceCare.Round) {
        let now = clock.monotonicSeconds
        if let seconds = silence.ended(at: now) {
            log.notice("the vault is back", metadata: ["seconds": "\(Int(seconds))"])
        }
        let isFirst = state.read { $0.vaultReadAt } == nil
        state.change { $0.vaultReadAt = clock.now }
        if let name = round.unknown.first, isFirst {
            giveUp(
                PgkeepError(
                    .notFound,
                    "there is no instance \"\(name)\" in this vault",
                    hint: "add it with pgkeep instance add, or leave the name out"
                )
            )
            return
        }
        self.round = round
        supervision.setVaultReachable(true, at: now)
        keep()
        if round.isChanged { supervision.awaken(.due, at: now) }
    }

    private func keep() {
        var served: [Chore.Kind: Timestamp] = [:]
        served[.prune] = round.served[.prune]
        served[.check] = round.served[.check]
        carryOut(
            supervision.keep(
                settings.chores(round.owned, isLeading: round.isLeading),
                served: served,
                at: clock.monotonicSeconds
            )
        )
    }

    private func vaultWasNotRead(_ error: any Error) {
        let now = clock.monotonicSeconds
        supervision.setVaultReachable(false, at: now)
        guard silence.isWorthTelling(at: now) else { return }
        log.error("the vault is out of reach", metadata: ["reason": "\(error)"])
    }

    private func giveUp(_ error: any Error) {
        failure = error
        stop()
    }

    private func stop() {
        if !supervision.isStopping { log.notice("agent is to end") }
        carryOut(supervision.stop(at: clock.monotonicSeconds))
    }

    private func reload() {
        do {
            settings = try setup.settings()
            supervision.limits = settings.limits
            care.look(names: settings.names)
            keep()
            supervision.awaken(.due, at: clock.monotonicSeconds)
            log.notice("settings were read anew")
        } catch {
            log.error("the settings stay as they were", metadata: ["reason": "\(error)"])
        }
    }

    private func began(_ id: Chore.ID, _ child: ChildProcess) {
        children[id] = child
        labelled(id).info("started", metadata: ["pid": "\(child.pid)"])
        // Told to end before it was there to be told.
        if supervision.began(id, pid: child.pid) { child.signal(SIGTERM) }
    }

    private func ended(_ id: Chore.ID, _ report: RunReport) {
        children[id] = nil
        let level: Logger.Level = id.kind == .stream ? .info : .debug
        labelled(id).log(level: level, "ended")
        carryOut(supervision.ended(id, report, at: clock.monotonicSeconds))
    }

    // MARK: - Actions

    private func carryOut(_ actions: [Supervision.Action]) {
        for action in actions {
            switch action {
            case .start(let chore): start(chore)
            case .terminate(let id): children[id]?.signal(SIGTERM)
            case .kill(let id): children[id]?.kill()
            case .tell(let id, let event): tell(labelled(id), event)
            }
        }
    }

    private func start(_ chore: Chore) {
        let inbox = inbox
        let id = chore.id
        ChildRun(
            program: setup.program(),
            words: settings.words(chore),
            variables: Self.variables,
            clock: clock,
            log: labelled(id)
        ).start(chore) { child in
            inbox.change { $0.append(.began(id, child)) }
        } ended: { report in
            inbox.change { $0.append(.ended(id, report)) }
        }
    }

    private func tell(_ log: Logger, _ event: RunEvent) {
        switch event {
        case .failed(let words, let seconds):
            log.warning(
                "failed",
                metadata: ["reason": "\(words)", "again_in": "\(Int(seconds)) s"]
            )
        case .crashLoop(let words, let seconds):
            log.error(
                "fails again and again",
                metadata: ["reason": "\(words)", "again_in": "\(Int(seconds)) s"]
            )
        case .busyElsewhere(let words):
            log.notice("somebody else is at it", metadata: ["reason": "\(words)"])
        case .tooLarge(let words):
            log.error("is ended and started anew", metadata: ["reason": "\(words)"])
        case .killed:
            log.error("did not end in time and was killed")
        }
    }

    private func labelled(_ id: Chore.ID) -> Logger {
        var log = log
        log[metadataKey: "task"] = "\(id.kind.rawValue)"
        if let instance = id.instance { log[metadataKey: "instance"] = "\(instance)" }
        return log
    }

    private func measure() {
        let now = clock.monotonicSeconds
        guard now - measuredAt >= Self.measureSeconds else { return }
        measuredAt = now
        for (id, child) in children {
            guard let bytes = child.residentBytes else { continue }
            carryOut(supervision.measured(id, bytes: bytes, at: now))
        }
    }

    private func publish() {
        let children = supervision.children(at: clock.monotonicSeconds, wall: clock.now)
        crashLoops.look(children, &toldCrashLoops, now: clock.now)
        state.change { report in
            report.isStopping = supervision.isStopping
            report.instances = round.instances
            report.children = children
        }
    }
}

/// How long the vault has been out of reach, and when to say so again.
struct VaultSilence {
    private var since: Double?
    private var toldAt = -Double.infinity

    /// Seconds between two lines of the log about one and the same.
    private static let tellSeconds = 300.0

    /// The vault was out of reach at `now`; true when that is to be told.
    mutating func isWorthTelling(at now: Double) -> Bool {
        since = since ?? now
        guard now - toldAt >= Self.tellSeconds else { return false }
        toldAt = now
        return true
    }

    /// The vault was in reach at `now`; seconds it was not, if it was not.
    mutating func ended(at now: Double) -> Double? {
        defer {
            since = nil
            toldAt = -.infinity
        }
        return since.map { now - $0 }
    }
}
