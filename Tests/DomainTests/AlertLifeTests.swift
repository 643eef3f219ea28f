import Domain
import TestSupport
import Testing

/// How alerts open and resolve, against an account of the same history made by brute force.
struct AlertLifeTests {
    /// One look at the world.
    private struct Look {
        var at: Timestamp
        var isPresent: Bool
    }

    private struct Told: Hashable {
        var event: Alert.Announcement
        var at: Timestamp
    }

    private static let name = InstanceName("main")

    private static func history(_ random: inout SeededRandom) -> [Look] {
        var now = Timestamp(seconds: 1_800_000_000)
        var isPresent = false
        return (0..<Int.random(in: 1...120, using: &random)).map { _ in
            let step = [5, 30, 61, 290, 301, 1800, 3601].randomElement(using: &random) ?? 30
            now = now.adding(seconds: Int64(Int.random(in: 1...step, using: &random)))
            if Int.random(in: 0..<3, using: &random) == 0 { isPresent.toggle() }
            return Look(at: now, isPresent: isPresent)
        }
    }

    /// What people must be told, found by looking at the whole history again for each episode.
    private static func account(_ looks: [Look], _ timing: AlertTiming) -> [Told] {
        var told: [Told] = []
        var quietUntil: Timestamp?
        var from = 0
        while let opening = (from..<looks.count).first(where: { end in
            // The condition held at every look of a stretch long enough, not before `from`.
            (from...end).contains { start in
                looks[start...end].allSatisfy(\.isPresent)
                    && looks[end].at.seconds(since: looks[start].at) >= timing.opensAfter
            }
        }) {
            let ending = (opening..<looks.count).dropFirst().first { end in
                (opening + 1...end).contains { start in
                    looks[start...end].allSatisfy { !$0.isPresent }
                        && looks[end].at.seconds(since: looks[start].at) >= timing.resolvesAfter
                }
            }
            let lasting = opening..<(ending ?? looks.count)
            let first = lasting.first { index in
                looks[index].isPresent && quietUntil.map { looks[index].at >= $0 } ?? true
            }
            if let first { told.append(Told(event: .opened, at: looks[first].at)) }
            guard let ending else { break }
            if first != nil {
                told.append(Told(event: .resolved, at: looks[ending].at))
                quietUntil = looks[ending].at.adding(seconds: Int64(timing.quiet))
            }
            from = ending
        }
        return told
    }

    @Test(arguments: [AlertKind.slotBloat, .rpoBreach, .backupFailed, .sourceAway, .quotaExceeded])
    func `random histories are told as an account by brute force says`(kind: AlertKind) throws {
        var random = SeededRandom(stream: "alerts \(kind)")
        let timing = try #require(AlertCatalogue.explanation(of: kind)).timing
        var openings = 0
        for _ in 0..<300 {
            let looks = Self.history(&random)
            var board = AlertBoard()
            var told: [Told] = []
            for look in looks {
                let seen =
                    look.isPresent ? [AlertCondition(kind, instance: Self.name, "it is")] : []
                let changes = board.look(seen, now: look.at)
                told += changes.map { Told(event: $0.event, at: look.at) }
                #expect(changes.count <= 1)
            }
            #expect(told == Self.account(looks, timing))
            openings += told.count { $0.event == .opened }
        }
        #expect(openings > 100, "histories in which nothing opens prove nothing")
    }

    @Test func `a condition that comes and goes each minute is told once an hour at most`() {
        var board = AlertBoard()
        let begin = Timestamp(seconds: 1_800_000_000)
        var told: [Told] = []
        for minute in 0..<600 {
            let now = begin.adding(seconds: Int64(minute) * 60)
            let seen =
                minute % 2 == 0 ? [AlertCondition(.backupFailed, instance: Self.name, "no")] : []
            told += board.look(seen, now: now).map { Told(event: $0.event, at: now) }
        }
        let openings = told.filter { $0.event == .opened }.map(\.at)
        #expect(openings.count == 10)
        #expect(zip(openings, openings.dropFirst()).allSatisfy { $1.seconds(since: $0) >= 3600 })
    }

    @Test func `a cause hides its consequences, and neither tells nor resolves them`() throws {
        var board = AlertBoard()
        let begin = Timestamp(seconds: 1_800_000_000)
        let overdue = AlertCondition(.backupOverdue, instance: Self.name, "old")
        let away = AlertCondition(.sourceAway, instance: Self.name, "gone")
        let elsewhere = AlertCondition(.backupOverdue, instance: InstanceName("other"), "old")
        // Of another instance it hides nothing.
        #expect(
            board.look([overdue, away, elsewhere], now: begin).map(\.alert.subject) == ["other"]
        )
        let later = begin.adding(seconds: 400)
        let changes = board.look([overdue, away, elsewhere], now: later)
        #expect(changes.map(\.alert.kind) == [.sourceAway])
        // With the cause over, not merely gone just now, the consequence is told; when it hides
        // again, nothing is resolved.
        let gone = later.adding(seconds: 400)
        #expect(board.look([overdue, elsewhere], now: gone).isEmpty)
        let over = gone.adding(seconds: 60)
        let ended = board.look([overdue, elsewhere], now: over)
        #expect(ended.map(\.event) == [.resolved] && ended.map(\.alert.kind) == [.sourceAway])
        let back = over.adding(seconds: 30)
        #expect(board.look([overdue, elsewhere], now: back).map(\.event) == [.opened])
        let third = back.adding(seconds: 400)
        #expect(board.look([away, elsewhere], now: third).allSatisfy { $0.event != .resolved })
        let hidden = try #require(board.alerts.first { $0.id == overdue.id })
        #expect(hidden.isHidden && hidden.isOpen)
    }

    @Test func `what gets worse is told again, what gets milder is not`() {
        var board = AlertBoard()
        let begin = Timestamp(seconds: 1_800_000_000)
        func look(_ severity: AlertSeverity, _ minutes: Int64) -> [Alert.Announcement] {
            let condition = AlertCondition(.vaultSpaceLow, severity: severity, "little is left")
            return board.look([condition], now: begin.adding(seconds: minutes * 60)).map(\.event)
        }
        #expect(look(.warning, 0) == [.opened])
        _ = board.acknowledge("vault-space-low/vault", by: "me", comment: nil, now: begin)
        #expect(look(.warning, 1) == [])
        #expect(look(.critical, 2) == [.worsened])
        // Who acknowledged the warning has not seen this.
        #expect(board.alerts.map(\.state) == [.open])
        #expect(look(.warning, 3) == [])
        #expect(look(.critical, 4) == [])
    }

    @Test func `deeds are told each time, and cannot be disabled`() throws {
        var board = AlertBoard()
        let begin = Timestamp(seconds: 1_800_000_000)
        let deed = AlertCondition(.dataDeletion, instance: Self.name, "somebody did")
        #expect(board.look([], events: [deed], now: begin).map(\.event) == [.opened])
        #expect(board.look([], events: [deed], now: begin).map(\.event) == [.repeated])
        #expect(board.look([], now: begin.adding(seconds: 86400)).isEmpty)
        _ = board.acknowledge(deed.id, by: "me", comment: "my own", now: begin)
        #expect(board.look([], now: begin.adding(seconds: 86401)).isEmpty)
        #expect(board.alerts.map(\.state) == [.resolved])
        #expect(board.look([], events: [deed], now: begin.adding(seconds: 90000)).count == 1)
        for meaning in AlertCatalogue.all {
            var isRefused = false
            do {
                var copy = AlertBoard()
                try copy.setEnabled(meaning, false)
            } catch {
                isRefused = error.code == .refused
            }
            #expect(isRefused == (meaning.severity == .security), "\(meaning.kind)")
        }
    }

    @Test func `a clock that jumps back opens and resolves nothing late`() {
        var board = AlertBoard()
        let begin = Timestamp(seconds: 1_800_000_000)
        let condition = AlertCondition(.slotBloat, instance: Self.name, "much")
        #expect(board.look([condition], now: begin).isEmpty)
        let back = begin.adding(seconds: -86400)
        #expect(board.look([condition], now: back).isEmpty)
        #expect(board.look([condition], now: back.adding(seconds: 60)).map(\.event) == [.opened])
    }
}
