/// What channels have to be told: each announcement once for each channel that wants it, at least
/// once whatever dies, in the order it came unless a channel balks.
extension AlertBoard {
    /// Tries of one delivery before it is given up: over about six hours.
    public static let attemptsMax = 12
    /// Failed tries after which a channel counts as failing.
    public static let attemptsAlarming = 3
    /// Seconds for which who has claimed deliveries has them to himself.
    public static let claimSeconds: Int64 = 300
    /// Deliveries kept after their end.
    static let endedMax = 200
    static let endedDays: Int64 = 7

    /// Puts changes on their way to the channels that want them.
    public mutating func announce(_ changes: [Change], to routes: [AlertRoute], now: Timestamp) {
        for change in changes {
            announcements += 1
            let notice = AlertNotice(
                number: announcements,
                event: change.event,
                change.alert,
                at: now
            )
            for channel in Self.channels(for: change, routes) {
                deliveries.append(AlertDelivery(channel: channel, notice: notice))
            }
        }
    }

    /// Who is to be told. What concerns security reaches somebody, whatever the channels want.
    static func channels(for change: Change, _ routes: [AlertRoute]) -> [String] {
        let alert = change.alert
        let able = routes.filter {
            alert.kind != .deliveryFailed || $0.channel != alert.subject
        }
        // Who heard of it hears of its end, by the worst that was told of it.
        let told = change.event == .resolved ? alert.quietSeverity : nil
        let severity = min(told ?? alert.severity, alert.severity)
        let wanting = able.filter { route in
            severity <= route.minSeverity
                && (route.instance.map { $0 == alert.instance } ?? true)
        }
        let reached = wanting.isEmpty && severity == .security ? able : wanting
        return reached.map(\.channel)
    }

    /// Claims what is due, for a process that calls itself `claimant`; drops what is of no use any
    /// more.
    public mutating func claim(
        _ claimant: String,
        channels: Set<String>,
        mutes: [AlertMute],
        now: Timestamp
    ) -> [AlertDelivery] {
        var claimed: [AlertDelivery] = []
        for index in deliveries.indices where deliveries[index].state == .pending {
            let delivery = deliveries[index]
            guard channels.contains(delivery.channel) else {
                drop(index, now)
                continue
            }
            let isMuted = mutes.contains {
                $0.covers(delivery.notice, to: delivery.channel, now: now)
            }
            if isMuted {
                if !delivery.isHeld { deliveries[index].isHeld = true }
                continue
            }
            if delivery.isHeld, isOver(delivery.notice) {
                drop(index, now)
                continue
            }
            let latest = now.adding(seconds: Self.claimSeconds)
            let isClaimed =
                delivery.claimedBy != nil && delivery.claimedBy != claimant
                && delivery.claimedUntil.map { now < $0 && $0 <= latest } ?? false
            guard !isClaimed,
                delivery.nextAt.map({ $0 <= now || $0 > Self.latestRetry(now) }) ?? true
            else { continue }
            deliveries[index].claimedBy = claimant
            deliveries[index].claimedUntil = latest
            claimed.append(deliveries[index])
        }
        return claimed
    }

    private mutating func drop(_ index: Int, _ now: Timestamp) {
        deliveries[index].state = .dropped
        deliveries[index].triedAt = now
        deliveries[index].claimedBy = nil
        deliveries[index].claimedUntil = nil
    }

    /// True when the opening it speaks of has ended.
    private func isOver(_ notice: AlertNotice) -> Bool {
        guard let alert = alerts.first(where: { $0.id == notice.alert }) else { return true }
        return !alert.isOpen || alert.openings != notice.opening
    }

    /// How a try ended.
    public enum Outcome: Hashable, Sendable {
        /// The channel took it.
        case delivered
        /// It did not, for this reason.
        case failed(String)
        /// It was not tried after all.
        case untried
    }

    /// Notes how the try of a delivery ended.
    public mutating func note(
        _ outcome: Outcome,
        of number: UInt64,
        on channel: String,
        by claimant: String,
        now: Timestamp
    ) {
        let index = deliveries.firstIndex {
            $0.notice.number == number && $0.channel == channel && $0.state == .pending
        }
        guard let index else { return }
        // Whoever delivered it has; a failure counts only for who still has the claim.
        guard outcome == .delivered || deliveries[index].claimedBy == claimant else { return }
        deliveries[index].claimedBy = nil
        deliveries[index].claimedUntil = nil
        switch outcome {
        case .untried: return
        case .delivered:
            deliveries[index].state = .delivered
            deliveries[index].error = nil
        case .failed(let reason):
            deliveries[index].error = reason
        }
        deliveries[index].attempts += 1
        deliveries[index].triedAt = now
        guard deliveries[index].state == .pending else { return }
        let attempts = deliveries[index].attempts
        if attempts >= Self.attemptsMax {
            deliveries[index].state = .failed
        } else {
            deliveries[index].nextAt = now.adding(seconds: Self.pauseSeconds(after: attempts))
        }
    }

    /// Seconds between a failed try and the next.
    static func pauseSeconds(after attempts: Int) -> Int64 {
        min(30 << Int64(min(attempts - 1, 10)), 3600)
    }

    private static func latestRetry(_ now: Timestamp) -> Timestamp { now.adding(seconds: 3600) }

    /// The channels that do not take what they are sent, each with the reason.
    public var failingChannels: [(channel: String, reason: String)] {
        Set(deliveries.map(\.channel)).sorted().compactMap { channel in
            let own = deliveries.filter { $0.channel == channel }
            let lastGood = own.filter { $0.state == .delivered }.compactMap(\.triedAt).max()
            let bad = own.filter { delivery in
                guard let tried = delivery.triedAt, lastGood.map({ tried > $0 }) ?? true else {
                    return false
                }
                return delivery.state == .failed
                    || delivery.state == .pending && delivery.attempts >= Self.attemptsAlarming
            }
            guard
                let last = bad.max(by: {
                    ($0.triedAt ?? $0.notice.at) < ($1.triedAt ?? $1.notice.at)
                })
            else { return nil }
            return (channel, last.error ?? "no reason is known")
        }
    }

    /// Forgets deliveries that ended long ago.
    public mutating func tidyDeliveries(now: Timestamp) {
        let oldest = now.adding(seconds: -Self.endedDays * 86400)
        let ended = deliveries.filter { $0.state != .pending }
        var excess = ended.count - Self.endedMax
        guard excess > 0 || ended.contains(where: { $0.triedAt.map { $0 < oldest } ?? true }) else {
            return
        }
        deliveries.removeAll { delivery in
            guard delivery.state != .pending else { return false }
            if excess > 0 {
                excess -= 1
                return true
            }
            return delivery.triedAt.map { $0 < oldest } ?? true
        }
    }
}

extension AlertBoard {
    /// Takes back all claims, where it is certain that nobody who claimed is still at it.
    public mutating func releaseClaims() {
        for index in deliveries.indices where deliveries[index].claimedBy != nil {
            deliveries[index].claimedBy = nil
            deliveries[index].claimedUntil = nil
        }
    }
}
