/// How an alert opens, is acknowledged and resolves: one step for each look at the world.
///
/// Without flapping: it opens when its condition has held for `opensAfter`, and resolves when that
/// has been gone for `resolvesAfter`. Who was told of an opening is told of its end. An opening
/// within `quiet` of that end is kept to itself, unless it is worse, or lasts beyond that time.
/// Clocks of hosts differ and jump: moments that lie ahead are taken for now.
extension Alert {
    /// What a look at the world shows of an alert's condition.
    enum Observation {
        /// It holds.
        case present(AlertCondition)
        /// It does not.
        case absent
        /// Another condition explains it, so that nothing can be said.
        case hidden
        /// Nobody could look.
        case unknown
    }

    /// Seconds after which another wording alone is taken over.
    private static let wordingSeconds: Double = 600

    /// Takes in what was seen; what people are to be told, if anything.
    mutating func observe(
        _ observation: Observation,
        timing: AlertTiming,
        now: Timestamp
    ) -> Announcement? {
        if case .unknown = observation { return nil }
        clamp(timing, now)
        switch observation {
        case .unknown: return nil
        case .hidden:
            if state == .pending {
                state = .resolved
            } else if isOpen {
                goneSince = nil
                isHidden = true
            }
            return nil
        case .present(let condition):
            goneSince = nil
            isHidden = false
            if state == .resolved {
                state = .pending
                since = now
                take(condition, now)
            }
            if state == .pending {
                guard now.seconds(since: since) >= timing.opensAfter else { return nil }
                take(condition, now)
                open(now)
            }
            return follow(condition, now)
        case .absent: return end(timing, now)
        }
    }

    /// Takes in that it has happened, just now. Each time is told when `isEachTold`.
    mutating func happen(
        _ condition: AlertCondition,
        isEachTold: Bool,
        timing: AlertTiming,
        now: Timestamp
    ) -> Announcement? {
        clamp(timing, now)
        lastAt = now
        goneSince = nil
        isHidden = false
        guard isOpen else {
            since = now
            take(condition, now)
            open(now)
            return follow(condition, now)
        }
        occurrences += 1
        take(condition, now)
        guard isEachTold else { return follow(condition, now) }
        reopen()
        defer { announced = severity }
        return announced == nil ? .opened : .repeated
    }

    /// Somebody knows. Nothing changes unless it is open.
    mutating func acknowledge(by actor: String, comment: String?, now: Timestamp) {
        guard isOpen else { return }
        state = .acknowledged
        acknowledgedAt = now
        acknowledgedBy = actor
        self.comment = comment
    }

    private mutating func open(_ now: Timestamp) {
        reopen()
        openedAt = now
        openings += 1
        occurrences = 1
        announced = nil
    }

    private mutating func reopen() {
        state = .open
        acknowledgedAt = nil
        acknowledgedBy = nil
        comment = nil
    }

    /// What to tell of an open alert whose condition holds.
    private mutating func follow(_ condition: AlertCondition, _ now: Timestamp) -> Announcement? {
        let isOtherwise =
            condition.summary != summary || condition.next != next
            || condition.instance != instance
        let isOld = now.seconds(since: updatedAt) >= Self.wordingSeconds
        if condition.severity != severity || isOtherwise && isOld { take(condition, now) }
        if let told = announced {
            guard severity.isWorse(than: told) else { return nil }
            take(condition, now)
            reopen()
            announced = severity
            return .worsened
        }
        guard state == .open else { return nil }
        if let quietUntil, let quietSeverity, now < quietUntil,
            !severity.isWorse(than: quietSeverity)
        {
            return nil
        }
        take(condition, now)
        announced = severity
        return .opened
    }

    private mutating func end(_ timing: AlertTiming, _ now: Timestamp) -> Announcement? {
        isHidden = false
        guard isOpen else {
            state = .resolved
            return nil
        }
        let gone = goneSince ?? now
        goneSince = gone
        guard now.seconds(since: gone) >= timing.resolvesAfter else { return nil }
        state = .resolved
        resolvedAt = now
        goneSince = nil
        guard let told = announced else { return nil }
        announced = nil
        quietUntil = Timestamp(microseconds: now.microseconds + Int64(timing.quiet * 1_000_000))
        quietSeverity = told
        return .resolved
    }

    private mutating func take(_ condition: AlertCondition, _ now: Timestamp) {
        instance = condition.instance
        severity = condition.severity
        summary = condition.summary
        next = condition.next
        updatedAt = now
    }

    private mutating func clamp(_ timing: AlertTiming, _ now: Timestamp) {
        if state == .pending { since = min(since, now) }
        goneSince = goneSince.map { min($0, now) }
        lastAt = lastAt.map { min($0, now) }
        updatedAt = min(updatedAt, now)
        let latest = Timestamp(microseconds: now.microseconds + Int64(timing.quiet * 1_000_000))
        quietUntil = quietUntil.map { min($0, latest) }
    }
}
