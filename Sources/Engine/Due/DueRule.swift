package import Domain
package import Vaulting

/// When a backup of an instance is due: a pure rule over its policy, its points, the tries that
/// were made, and now.
///
/// Slots are the moments the policy names. Only the last one counts, so that what was missed is
/// made up once. A slot is served by an automatic point begun since, or settled by a run that found
/// nothing to back up or that an operator ended. What an operator asked for serves no slot: it may
/// be deleted at any time.
///
/// WAL lost for good makes a slot of its own: nothing behind the gap is restorable before the next
/// backup, so that one is due at once, at whatever hour.
package struct DueRule {
    /// A moment at which a backup was to be taken.
    package struct Slot: Hashable, Sendable {
        /// The moment.
        package var time: Timestamp
        /// `initial` for the very first backup, `anchor` for the first one behind lost WAL, else
        /// `scheduled`.
        package var trigger: RecoveryPoint.Trigger

        package init(time: Timestamp, trigger: RecoveryPoint.Trigger) {
            self.time = time
            self.trigger = trigger
        }
    }

    /// What is to be done now.
    package enum Verdict: Hashable, Sendable {
        /// Nothing before `next`; nil when the policy names no further moment.
        case nothing(next: Timestamp?)
        /// The last try failed; the next one is due `at` this moment.
        case waiting(Slot, at: Timestamp)
        /// The policy allows no backup to begin at this hour.
        case outsideHours(Slot)
        /// A backup.
        case due(Slot)
    }

    /// The instance's policy.
    package var policy: Policy
    /// The rules of the policy's time zone.
    package var zone: any ZoneRules
    /// So many seconds at most an instance begins behind the moment its schedule names, always the
    /// same for one instance: those of one policy do not begin all at once.
    package var jitterSeconds: Int

    /// After the first failed try; each further one waits twice as long.
    package static let firstRetrySeconds: Int64 = 60
    /// The longest wait between two tries.
    package static let longestRetrySeconds: Int64 = 64 * 60
    /// What bears a later time than this in the future was made by a clock that was wrong.
    private static let clockSlackSeconds: Int64 = 300

    /// A rule.
    package init(policy: Policy, zone: any ZoneRules, jitterSeconds: Int = 0) {
        self.policy = policy
        self.zone = zone
        self.jitterSeconds = jitterSeconds
    }

    /// The last slot at or before `now`, due or not; nil when there was none yet.
    ///
    /// An instance without any automatic point is due since it was added.
    ///
    /// - Parameter lostAt: when WAL was lost that no point has been made behind.
    package func slot(
        _ instance: InstanceRecord,
        points: [RecoveryPoint],
        lostAt: Timestamp? = nil,
        now: Timestamp
    ) -> Slot? {
        let last = policy.lastSlot(
            atOrBefore: now.adding(seconds: -delay(of: instance)),
            systemIdentifier: instance.systemIdentifier,
            zone: zone
        )
        // Each moment of the schedule renews it: whatever ended the tries so far, an operator or an
        // error that no try mends, the instance is not without restorable WAL for good.
        if let lostAt {
            return Slot(time: min(max(lostAt, last ?? lostAt), now), trigger: .anchor)
        }
        let isNew = !points.contains { $0.trigger != .manual && $0.startedAt <= limit(now) }
        guard isNew else { return last.map { Slot(time: $0, trigger: .scheduled) } }
        return Slot(time: max(last ?? instance.createdAt, instance.createdAt), trigger: .initial)
    }

    /// What is to be done.
    ///
    /// - Parameters:
    ///   - tries: the instance's backup jobs since its last slot, in any order.
    ///   - lostAt: as for `slot`.
    package func verdict(
        _ instance: InstanceRecord,
        points: [RecoveryPoint],
        tries: [JobRecord],
        lostAt: Timestamp? = nil,
        now: Timestamp
    ) -> Verdict {
        let next = policy.nextSlot(
            after: now.adding(seconds: -delay(of: instance)),
            systemIdentifier: instance.systemIdentifier,
            zone: zone
        )?.adding(seconds: delay(of: instance))
        guard let slot = slot(instance, points: points, lostAt: lostAt, now: now) else {
            return .nothing(next: next)
        }
        // A point begun after the loss was noticed may still lie before the gap's end.
        let isServed =
            slot.trigger != .anchor
            && points.contains {
                $0.trigger != .manual && $0.state == .completed && $0.startedAt >= slot.time
                    && $0.startedAt <= limit(now)
            }
        guard !isServed else { return .nothing(next: next) }
        let own = Self.own(tries, of: slot, until: limit(now))
        if own.contains(where: Self.settles) { return .nothing(next: next) }
        // A slot may begin before an earlier backup, when its loss was noticed by a clock that was
        // behind: what failed before one succeeded says nothing of the next.
        let succeeded = own.filter { $0.state == .completed }.map(\.time).max()
        // A run cut off by the end of its host is made up like one that failed.
        let failures = own.filter { job in
            (job.state == .failed || job.state == .cancelled)
                && (succeeded.map { job.time > $0 } ?? true)
        }
        if let last = failures.max(by: { $0.time < $1.time }) {
            guard last.retryable else { return .nothing(next: next) }
            let again = last.time.adding(seconds: Self.wait(afterTries: failures.count))
            if again > now { return .waiting(slot, at: again) }
        }
        // Nothing is restorable before the first backup: it waits for no hour.
        if slot.trigger == .scheduled, let hours = policy.allowedHours,
            !hours.contains(LocalTime(now, in: zone))
        {
            return .outsideHours(slot)
        }
        return .due(slot)
    }

    /// The automatic jobs that belong to a slot; to one behind a loss, only those made for it.
    package static func own(
        _ tries: [JobRecord],
        of slot: Slot,
        until limit: Timestamp
    ) -> [JobRecord] {
        tries.filter {
            $0.kind == .backup && $0.trigger != RecoveryPoint.Trigger.manual.rawValue
                && (slot.trigger != .anchor || $0.trigger == slot.trigger.rawValue)
                && ($0.startedAt ?? $0.time) >= slot.time && $0.time <= limit
        }
    }

    /// True when a job was skipped for `reason` in this slot already.
    package func hasSkipped(
        _ reason: SkipReason,
        in slot: Slot,
        _ tries: [JobRecord],
        now: Timestamp
    ) -> Bool {
        Self.own(tries, of: slot, until: limit(now)).contains {
            $0.state == .skipped && $0.skipReason == reason.rawValue
        }
    }

    /// Seconds to wait after so many failed tries: 1, 2, 4 … minutes.
    package static func wait(afterTries count: Int) -> Int64 {
        min(firstRetrySeconds << Int64(min(max(count - 1, 0), 16)), longestRetrySeconds)
    }

    private static func settles(_ job: JobRecord) -> Bool {
        job.state == .cancelled && !job.retryable
            || job.state == .skipped && job.skipReason == SkipReason.noChange.rawValue
    }

    private func limit(_ now: Timestamp) -> Timestamp {
        now.adding(seconds: Self.clockSlackSeconds)
    }

    /// Without a schedule the policy spreads instances over the day itself.
    private func delay(of instance: InstanceRecord) -> Int64 {
        guard policy.schedule != nil, jitterSeconds > 0 else { return 0 }
        // Fibonacci hashing; the low bits of identifiers made at one time are much alike.
        let mixed = instance.systemIdentifier.rawValue &* 0x9e37_79b9_7f4a_7c15
        return Int64((mixed >> 32) % UInt64(jitterSeconds))
    }
}

/// Why a backup that was due was not begun, in jobs and in answers.
package enum SkipReason: String, Sendable {
    /// The server does not run.
    case serverStopped = "server-stopped"
    /// Nothing has changed since the last point.
    case noChange = "no-change"
    /// Another backup of the instance runs.
    case busy
    /// The policy allows none at this hour.
    case outsideHours = "outside-hours"
    /// The server has more to do, or its standby is further behind, than a backup may add to.
    case sourceBusy = "source-busy"
}
