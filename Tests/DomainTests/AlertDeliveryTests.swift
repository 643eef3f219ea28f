import Domain
import Testing

/// Who is told, when, and how often a channel that balks is tried.
struct AlertDeliveryTests {
    private let begin = Timestamp(seconds: 1_800_000_000)
    private let failed = AlertCondition(.backupFailed, instance: InstanceName("main"), "no")
    private let deed = AlertCondition(.dataDeletion, instance: InstanceName("main"), "gone")
    private let all = AlertRoute(channel: "all", minSeverity: .info)

    private func at(_ seconds: Int64) -> Timestamp { begin.adding(seconds: seconds) }

    /// Looks and announces.
    private func look(
        _ board: inout AlertBoard,
        _ conditions: [AlertCondition],
        events: [AlertCondition] = [],
        _ routes: [AlertRoute],
        at seconds: Int64
    ) {
        let changes = board.look(conditions, events: events, now: at(seconds))
        board.announce(changes, to: routes, now: at(seconds))
    }

    private func claim(
        _ board: inout AlertBoard,
        _ claimant: String = "a",
        mutes: [AlertMute] = [],
        channels: Set<String> = ["all", "other"],
        at seconds: Int64
    ) -> [String] {
        board.claim(claimant, channels: channels, mutes: mutes, now: at(seconds)).map {
            "\($0.channel) \($0.notice.event.rawValue) \($0.notice.alert)"
        }
    }

    @Test func `of two that claim one has it, until the claim runs out`() {
        var board = AlertBoard()
        look(&board, [failed], [all], at: 0)
        #expect(claim(&board, "a", at: 0) == ["all opened backup-failed/main"])
        #expect(claim(&board, "b", at: 1) == [])
        // Whoever claimed is gone: another tries, and what is done is done.
        #expect(claim(&board, "b", at: 301) == ["all opened backup-failed/main"])
        board.note(.delivered, of: 1, on: "all", by: "a", now: at(302))
        #expect(claim(&board, "c", at: 1000) == [])
        #expect(board.deliveries.map(\.state) == [.delivered])
    }

    @Test func `tries are made ever more rarely, and end`() {
        var board = AlertBoard()
        look(&board, [failed], [all], at: 0)
        var tried: [Int64] = []
        for second in stride(from: Int64(0), to: 10 * 3600, by: 10) {
            guard !claim(&board, at: second).isEmpty else { continue }
            tried.append(second)
            board.note(.failed("no"), of: 1, on: "all", by: "a", now: at(second))
        }
        #expect(tried.count == AlertBoard.attemptsMax)
        #expect(tried.prefix(4) == [0, 30, 90, 210])
        #expect(zip(tried, tried.dropFirst()).allSatisfy { $1 - $0 <= 3600 })
        #expect(board.deliveries.map(\.state) == [.failed])
    }

    @Test func `a channel that balks is told of once, to the others`() {
        var board = AlertBoard()
        let routes = [all, AlertRoute(channel: "other")]
        look(&board, [failed], routes, at: 0)
        for second in [Int64(0), 30, 90] {
            _ = claim(&board, at: second)
            board.note(.failed("no route"), of: 1, on: "all", by: "a", now: at(second))
            board.note(.delivered, of: 1, on: "other", by: "a", now: at(second))
        }
        let failing = board.failingChannels
        #expect(failing.map { $0.channel } == ["all"] && failing.map { $0.reason } == ["no route"])
        let balking = AlertCondition(.deliveryFailed, subject: "all", "no route")
        look(&board, [failed, balking], routes, at: 100)
        look(&board, [failed, balking], routes, at: 130)
        #expect(claim(&board, at: 130) == ["other opened delivery-failed/all"])
    }

    @Test func `a channel hears of its severity and instance only, and of deeds in any case`() {
        var board = AlertBoard()
        let routes = [
            AlertRoute(channel: "security", minSeverity: .security),
            AlertRoute(channel: "main", minSeverity: .critical, instance: InstanceName("main")),
            AlertRoute(channel: "other", minSeverity: .info, instance: InstanceName("other")),
        ]
        let channels: Set<String> = ["security", "main", "other"]
        look(&board, [failed], routes, at: 0)
        #expect(claim(&board, channels: channels, at: 0) == ["main opened backup-failed/main"])
        let key = AlertCondition(.keysChanged, "a key")
        look(&board, [failed], events: [key], routes, at: 1)
        #expect(
            claim(&board, "b", channels: channels, at: 1) == ["security opened keys-changed/vault"]
        )
        // Nobody wants what is about the vault: then all get it.
        let narrow = Array(routes.dropFirst())
        look(&board, [failed], events: [key], narrow, at: 2)
        #expect(
            claim(&board, "c", channels: channels, at: 2).sorted() == [
                "main repeated keys-changed/vault", "other repeated keys-changed/vault",
            ]
        )
    }

    @Test func `a mute keeps back all but deeds, and what is over by its end is not told`() {
        var board = AlertBoard()
        let mute = AlertMute(from: at(0), to: at(7200), by: "me")
        look(&board, [failed], events: [deed], [all], at: 0)
        #expect(claim(&board, mutes: [mute], at: 0) == ["all opened data-deletion/main"])
        board.note(.delivered, of: 1, on: "all", by: "a", now: at(0))
        let gap = AlertCondition(.walGap, instance: InstanceName("main"), "gap")
        look(&board, [gap], [all], at: 3600)
        #expect(claim(&board, mutes: [mute], at: 3600) == [])
        // The backup has succeeded meanwhile, the gap is still there.
        #expect(claim(&board, mutes: [mute], at: 7201) == ["all opened wal-gap/main"])
        #expect(board.deliveries.count { $0.state == .dropped } == 2)
    }

    @Test func `what waits for a channel that is removed is dropped`() {
        var board = AlertBoard()
        look(&board, [failed], [all], at: 0)
        #expect(claim(&board, channels: [], at: 0) == [])
        #expect(board.deliveries.map(\.state) == [.dropped])
    }
}
