import Agent
import Domain
import Testing

/// The rules of the agent on a clock of their own: no process, no vault.
@Suite struct SupervisionTests {
    private typealias Action = Supervision.Action
    private let main: InstanceName
    private let other: InstanceName
    private let wall = Timestamp("2026-03-14T12:00:00Z") ?? Timestamp(seconds: 0)

    init() throws {
        main = try InstanceName(checking: "main")
        other = try InstanceName(checking: "other")
    }

    private func supervision(stopSeconds: Double = 60) -> Supervision {
        Supervision(limits: .init(stopSeconds: stopSeconds, memoryBytesMax: 100 << 20)) { 0.5 }
    }

    private func stream(_ name: InstanceName, _ more: [String] = []) -> Chore {
        Chore(
            Chore.ID(.stream, name),
            command: ["wal", "stream", name.description] + more,
            rhythm: .always
        )
    }

    private func due(_ name: InstanceName) -> Chore {
        Chore(.init(.due, name), command: ["backup", "run-due"], rhythm: .every(seconds: 60))
    }

    private func starts(_ actions: [Action]) -> [Chore.ID] {
        actions.compactMap { if case .start(let chore) = $0 { chore.id } else { nil } }
    }

    private func look(_ supervision: inout Supervision, _ now: Double) -> [Chore.ID] {
        starts(supervision.look(at: now, wall: wall.adding(seconds: Int64(now))))
    }

    private let broken = RunReport(failure: .broken, words: "no luck")
    private let good = RunReport(failure: nil)

    @Test func `a stream that ends is started again, later each time`() {
        var agent = supervision()
        let id = stream(main).id
        #expect(agent.keep([stream(main)], at: 0) == [])
        #expect(look(&agent, 0) == [id])
        #expect(look(&agent, 1) == [])
        #expect(agent.ended(id, broken, at: 2) == [.tell(id, .failed("no luck", seconds: 1))])
        #expect(agent.secondsToLook(at: 2, wall: wall) == 1)
        #expect(look(&agent, 2.9) == [])
        #expect(look(&agent, 3) == [id])
        #expect(agent.ended(id, broken, at: 3) == [.tell(id, .failed("no luck", seconds: 2))])
        let child = agent.children(at: 3, wall: wall)[0]
        #expect(child.state == .backingOff)
        #expect(child.failures == 2)
        #expect(child.lastFailure == "no luck")
    }

    @Test func `a crash loop is told once and reported`() {
        var agent = supervision()
        let id = stream(main).id
        _ = agent.keep([stream(main)], at: 0)
        var now = 0.0
        var told: [Action] = []
        for _ in 0..<7 {
            now += agent.secondsToLook(at: now, wall: wall)
            #expect(look(&agent, now) == [id])
            told += agent.ended(id, broken, at: now)
        }
        let loops = told.filter { if case .tell(_, .crashLoop) = $0 { true } else { false } }
        #expect(loops.count == 1)
        #expect(agent.children(at: now, wall: wall)[0].state == .crashLoop)
        #expect(agent.secondsToLook(at: now, wall: wall) == RestartRule.slowSeconds)
    }

    @Test func `what another process streams is told once and tried on`() {
        var agent = supervision()
        let id = stream(main).id
        _ = agent.keep([stream(main)], at: 0)
        var told: [Action] = []
        for round in 0..<20 {
            let now = Double(round) * RestartRule.busySeconds
            #expect(look(&agent, now) == [id])
            told += agent.ended(id, RunReport(failure: .busy, words: "held"), at: now)
        }
        #expect(told == [.tell(id, .busyElsewhere("held"))])
        #expect(agent.children(at: 100, wall: wall)[0].failures == 0)
    }

    @Test func `an instance that is gone has its children ended, and back again anew`() {
        var agent = supervision()
        let id = stream(main).id
        _ = agent.keep([stream(main), stream(other)], at: 0)
        #expect(Set(look(&agent, 0)) == [id, stream(other).id])
        #expect(agent.keep([stream(other)], at: 1) == [.terminate(id)])
        #expect(agent.keep([stream(other)], at: 2) == [])
        // Wanted again before it has ended: it ends first.
        #expect(agent.keep([stream(main), stream(other)], at: 3) == [])
        #expect(look(&agent, 3) == [])
        #expect(agent.ended(id, good, at: 4) == [])
        #expect(look(&agent, 4) == [id])
        // A changed command takes hold by a new process.
        #expect(
            agent.keep([stream(main, ["--heartbeat", "5"]), stream(other)], at: 5)
                == [.terminate(id)]
        )
        _ = agent.ended(id, good, at: 6)
        #expect(look(&agent, 6) == [id])
        #expect(agent.children(at: 6, wall: wall)[0].command.last == "5")
    }

    @Test func `who does not end is killed, once`() {
        var agent = supervision()
        let id = stream(main).id
        _ = agent.keep([stream(main)], at: 0)
        _ = look(&agent, 0)
        _ = agent.keep([], at: 10)
        #expect(agent.secondsToLook(at: 10, wall: wall) == Supervision.graceSeconds)
        let end = 10 + Supervision.graceSeconds
        #expect(agent.look(at: end, wall: wall) == [.kill(id), .tell(id, .killed)])
        #expect(agent.look(at: end + 100, wall: wall) == [])
        #expect(agent.ended(id, broken, at: end + 101) == [])
        #expect(agent.running.isEmpty)
    }

    @Test func `a child that grows too large is ended and started anew`() {
        var agent = supervision()
        let id = stream(main).id
        _ = agent.keep([stream(main)], at: 0)
        _ = look(&agent, 0)
        #expect(agent.measured(id, bytes: 100 << 20, at: 1) == [])
        let actions = agent.measured(id, bytes: 101 << 20, at: 2)
        #expect(actions.last == .terminate(id))
        #expect(agent.measured(id, bytes: 102 << 20, at: 3) == [])
        let told = agent.ended(id, good, at: 4)
        guard case .tell(id, .failed(let words, let seconds)) = told.first else {
            Issue.record("nothing was told: \(told)")
            return
        }
        #expect(words.contains("101 MiB"))
        #expect(look(&agent, 4 + seconds) == [id])
    }

    @Test func `told to stop, streams leave at once and backups may finish`() {
        var agent = supervision(stopSeconds: 100)
        _ = agent.keep([stream(main), due(main)], at: 0)
        _ = look(&agent, 0)
        #expect(agent.stop(at: 10) == [.terminate(stream(main).id)])
        _ = agent.ended(stream(main).id, good, at: 11)
        #expect(!agent.isDone)
        #expect(agent.look(at: 109, wall: wall) == [])
        #expect(agent.look(at: 110, wall: wall) == [.terminate(due(main).id)])
        _ = agent.ended(due(main).id, broken, at: 111)
        #expect(agent.isDone)
        // Nothing is begun any more.
        #expect(agent.keep([stream(other)], at: 112) == [])
        #expect(look(&agent, 112) == [])
    }

    @Test func `a second wish to stop waits for nothing`() {
        var agent = supervision(stopSeconds: 1000)
        _ = agent.keep([stream(main), due(main)], at: 0)
        _ = look(&agent, 0)
        _ = agent.stop(at: 1)
        #expect(agent.stop(at: 2) == [.terminate(due(main).id)])
        let end = 2 + Supervision.hastySeconds
        let killed = agent.look(at: end, wall: wall).filter {
            if case .kill = $0 { true } else { false }
        }
        #expect(killed == [.kill(stream(main).id)])
    }

    @Test func `few backups run at a time, the longest overdue first`() throws {
        var agent = supervision()
        let names = try (0..<10).map { try InstanceName(checking: "db\($0)") }
        // The later in the list, the longer it has been due.
        for count in 1...names.count {
            _ = agent.keep(names.suffix(count).map { due($0) }, at: Double(count))
        }
        let first = look(&agent, 100)
        #expect(
            first.compactMap(\.instance) == Array(names.reversed().prefix(Supervision.heavyMax))
        )
        #expect(agent.secondsToLook(at: 100, wall: wall) == .infinity)
        _ = agent.ended(first[0], good, at: 101)
        #expect(look(&agent, 101).compactMap(\.instance) == [names[5]])
    }

    @Test func `due work is looked at when its answer says, or a policy has changed`() {
        var agent = supervision()
        let id = due(main).id
        _ = agent.keep([due(main)], at: 0)
        _ = look(&agent, 0)
        _ = agent.ended(id, RunReport(failure: nil, nextSeconds: 250), at: 1)
        #expect(agent.secondsToLook(at: 1, wall: wall) == 250)
        agent.awaken(.due, at: 2)
        #expect(look(&agent, 2) == [id])
    }

    @Test func `while the vault is away nothing is begun, and back again all is tried at once`() {
        var agent = supervision()
        let id = stream(main).id
        _ = agent.keep([stream(main)], at: 0)
        _ = look(&agent, 0)
        let away = RunReport(failure: .unreachable, words: "vault away")
        var now = 0.0
        for _ in 0..<8 {
            _ = agent.ended(id, away, at: now)
            now += 100
            _ = look(&agent, now)
        }
        _ = agent.ended(id, away, at: now)
        agent.setVaultReachable(false, at: now)
        #expect(look(&agent, now + 10000) == [])
        #expect(agent.secondsToLook(at: now, wall: wall) == .infinity)
        agent.setVaultReachable(true, at: now + 1)
        #expect(agent.secondsToLook(at: now + 1, wall: wall) <= 1)
        #expect(look(&agent, now + 2) == [id])
    }

    @Test func `a server stopped for a week: nothing is told, and its backup is due at once after`()
    {
        var agent = supervision()
        _ = agent.keep([stream(main), due(main)], at: 0)
        #expect(Set(look(&agent, 0)) == [stream(main).id, due(main).id])
        // The stream waits for its server; each look at due work finds the server stopped.
        let skipped = RunReport(failure: nil, nextSeconds: DueAnswer.lookSeconds)
        var told: [Action] = []
        var looks = 0
        var now = 1.0
        while now < 7 * 86400 {
            told += agent.ended(due(main).id, skipped, at: now)
            let pause = agent.secondsToLook(at: now, wall: wall)
            #expect(pause == DueAnswer.lookSeconds)
            now += pause
            #expect(look(&agent, now) == [due(main).id])
            looks += 1
        }
        #expect(told == [])
        #expect(looks == 7 * 1440)
        #expect(agent.children(at: now, wall: wall).allSatisfy { $0.failures == 0 })
    }

    @Test func `daily work is done once a day by the wall clock, also after a week's pause`() {
        var agent = supervision()
        let time = DailyTime(minute: 210)
        let prune = Chore(.init(.prune), command: ["vault", "prune"], rhythm: .daily(time))
        _ = agent.keep([prune], served: [.prune: wall.adding(seconds: -7 * 86400)], at: 0)
        // The first minute belongs to the instances.
        #expect(look(&agent, 1) == [])
        #expect(look(&agent, 120) == [prune.id])
        _ = agent.ended(prune.id, good, at: 121)
        var runs = 0
        for minute in 3..<(3 * 1440) {
            let now = Double(minute) * 60
            guard look(&agent, now) == [prune.id] else { continue }
            runs += 1
            _ = agent.ended(prune.id, good, at: now + 1)
        }
        #expect(runs == 3)
        // Failed, it is tried again the same day, later each time.
        var failing = supervision()
        _ = failing.keep([prune], at: 0)
        #expect(look(&failing, 120) == [prune.id])
        _ = failing.ended(prune.id, broken, at: 121)
        #expect(failing.secondsToLook(at: 121, wall: wall) == 60)
    }
}
