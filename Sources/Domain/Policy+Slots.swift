extension Policy {
    /// The last time at or before `moment` at which a backup of the instance was due.
    ///
    /// - Parameters:
    ///   - systemIdentifier: the instance's; without a schedule it chooses the minute of the day.
    ///   - zone: the rules of `timeZone`.
    public func lastSlot(
        atOrBefore moment: Timestamp,
        systemIdentifier: SystemIdentifier,
        zone: any ZoneRules
    ) -> Timestamp? {
        times(systemIdentifier).last(atOrBefore: moment, in: zone)
    }

    /// The first time after `moment` at which a backup of the instance is due.
    public func nextSlot(
        after moment: Timestamp,
        systemIdentifier: SystemIdentifier,
        zone: any ZoneRules
    ) -> Timestamp? {
        times(systemIdentifier).next(after: moment, in: zone)
    }

    /// The schedule, or one that spreads instances over the allowed hours.
    private func times(_ system: SystemIdentifier) -> CronSchedule {
        if let schedule { return schedule }
        // SplitMix64's last step: neighbouring identifiers land far apart, and always the same.
        var mixed = system.rawValue &+ 0x9e37_79b9_7f4a_7c15
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        mixed ^= mixed >> 31
        let minutes = allowedHours?.minutes ?? 1440
        let minute = (allowedHours?.from ?? 0) + Int(mixed % UInt64(minutes))
        return CronSchedule(dailyAt: minute % 1440)
    }

    /// How long a point made now is kept, and what it remembers of this policy.
    ///
    /// An automatic point is kept by every rule whose period has no point yet that was kept by it
    /// or a higher one; the longest counts. A point asked for is kept by the retention, or by the
    /// rule that was asked for with it.
    ///
    /// - Parameters:
    ///   - point: the new one; its two times decide from when days count: the later one, so that no
    ///     clock that was behind lets it go early.
    ///   - others: the instance's other points.
    ///   - rule: asked for by the operator.
    ///   - zone: the rules of `timeZone`.
    public func stamp(
        _ point: RecoveryPoint,
        others: [RecoveryPoint],
        revision: UInt64,
        rule: RetentionRule? = nil,
        zone: any ZoneRules
    ) throws(PgkeepError) -> (stamp: PolicyStamp, expiresAt: Timestamp) {
        let base = max(point.finishedAt, point.consistentAt)
        var chosen = RetentionRule.standard
        var days = retentionDays
        if let rule {
            guard let longer = self.days(of: rule) else {
                throw PgkeepError(
                    .usage,
                    "the policy \(name) has no rule \(rule.rawValue)",
                    hint: "give it one: pgkeep policy set \(name) --keep-\(rule.rawValue) N"
                )
            }
            (chosen, days) = (rule, longer)
        } else if point.trigger != .manual {
            let local = LocalTime(point.consistentAt, in: zone)
            for rule in RetentionRule.allCases where rule != .standard {
                guard let longer = self.days(of: rule), longer >= days else { continue }
                let period = rule.period(of: local)
                let isTaken = others.contains {
                    $0.trigger != .manual && $0.state == .completed
                        && ($0.policy?.rule ?? .standard) >= rule
                        && rule.period(of: LocalTime($0.consistentAt, in: zone)) == period
                }
                if !isTaken { (chosen, days) = (rule, longer) }
            }
        }
        let stamp = PolicyStamp(
            name: name,
            revision: revision,
            retentionDays: retentionDays,
            rule: chosen
        )
        return (stamp, base.adding(seconds: Int64(days) * 86400))
    }
}
