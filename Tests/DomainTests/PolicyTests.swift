import Domain
import TestSupport
import Testing

/// What a policy may say, and what it stamps on points.
struct PolicyTests {
    @Test func `row 17, 66: 7 to 35 days, more only when it is said`() throws {
        for (days, isExtended, isAllowed) in [
            (6, false, false), (7, false, true), (35, false, true), (36, false, false),
            (36, true, true), (3650, true, true), (6, true, false),
        ] {
            var policy = Policy(name: .standard, retentionDays: days)
            policy.isExtended = isExtended
            if isAllowed {
                try policy.validate()
            } else {
                let error = #expect(throws: PgkeepError.self) { try policy.validate() }
                #expect(error?.code == .usage)
            }
        }
        var long = Policy(name: .standard)
        long.keep.monthly = 2
        #expect(throws: PgkeepError.self) { try long.validate() }
        long.keep = Policy.Keep(daily: 35, weekly: 5, monthly: 1)
        try long.validate()
        long.keep.yearly = 10
        long.isExtended = true
        try long.validate()
    }

    @Test func `row 18, 68: the policy default keeps 7 days and asks for no time`() throws {
        #expect(Policy.standard.retentionDays == 7)
        #expect(Policy.standard.schedule == nil && Policy.standard.allowedHours == nil)
        try Policy.standard.validate()
        // Without a schedule each instance has its own minute of the day, and keeps it.
        let noon = try #require(Timestamp("2026-03-14T12:00Z"))
        var minutes: Set<Int> = []
        for number in 0..<200 {
            let system = SystemIdentifier(7_000_000_000_000_000_000 + UInt64(number))
            func last(_ moment: Timestamp) -> Timestamp? {
                Policy.standard.lastSlot(
                    atOrBefore: moment,
                    systemIdentifier: system,
                    zone: UTCRules()
                )
            }
            let slot = try #require(last(noon))
            #expect(slot <= noon && noon.seconds(since: slot) < 86400)
            #expect(last(noon.adding(seconds: 86400)) == slot.adding(seconds: 86400))
            minutes.insert(LocalTime(slot, in: UTCRules()).minuteOfDay)
        }
        #expect(minutes.count > 150)
    }

    @Test func `the spread stays within the allowed hours`() throws {
        var policy = Policy.standard
        policy.allowedHours = AllowedHours("22:00-06:00")
        let noon = try #require(Timestamp("2026-03-14T12:00Z"))
        for number in 0..<200 {
            let slot = try #require(
                policy.nextSlot(
                    after: noon,
                    systemIdentifier: SystemIdentifier(UInt64(number)),
                    zone: UTCRules()
                )
            )
            let minute = LocalTime(slot, in: UTCRules()).minuteOfDay
            #expect(minute >= 22 * 60 || minute < 6 * 60)
            #expect(policy.allowedHours?.contains(LocalTime(slot, in: UTCRules())) == true)
        }
        #expect(AllowedHours("6:00-22:00") == nil && AllowedHours("06:00-25:00") == nil)
        #expect(AllowedHours("06:00-06:00")?.minutes == 1440)
    }

    private func point(_ text: String, _ trigger: RecoveryPoint.Trigger) throws -> RecoveryPoint {
        let time = try #require(Timestamp(text))
        var cluster = SimulatedInstance()
        cluster.now = time
        var point = cluster.backup()
        point.consistentAt = time
        point.finishedAt = time.adding(seconds: 5)
        point.trigger = trigger
        return point
    }

    /// Days a new point is kept beside others, and by which rule.
    private func stamp(
        _ policy: Policy,
        _ point: RecoveryPoint,
        _ others: [RecoveryPoint],
        rule: RetentionRule? = nil
    ) throws -> (RetentionRule, Int) {
        let (stamp, expires) = try policy.stamp(
            point,
            others: others,
            revision: 3,
            rule: rule,
            zone: UTCRules()
        )
        #expect(stamp.revision == 3 && stamp.retentionDays == policy.retentionDays)
        return (stamp.rule, Int(expires.seconds(since: point.finishedAt) / 86400))
    }

    @Test func `the first point of a period is kept by the longest rule it serves`() throws {
        var policy = Policy(name: .standard)
        policy.isExtended = true
        policy.keep = Policy.Keep(weekly: 4, monthly: 12, yearly: 2)
        var points: [RecoveryPoint] = []
        var found: [String] = []
        for text in [
            "2025-12-31T23:00Z", "2026-01-01T23:00Z", "2026-01-02T23:00Z", "2026-01-05T23:00Z",
            "2026-01-06T23:00Z", "2026-02-01T23:00Z", "2026-02-02T23:00Z",
        ] {
            var point = try point(text, .scheduled)
            let (rule, days) = try stamp(policy, point, points)
            point.policy = PolicyStamp(
                name: policy.name,
                revision: 1,
                retentionDays: 7,
                rule: rule
            )
            points.append(point)
            found.append("\(rule.rawValue) \(days)")
        }
        #expect(
            found == [
                "yearly 732", "yearly 732", "default 7", "weekly 28", "default 7", "monthly 372",
                "weekly 28",
            ]
        )
        // When the month's point is damaged, the next one takes its place.
        points[5].state = .damaged
        #expect(try stamp(policy, try point("2026-02-03T23:00Z", .scheduled), points).0 == .monthly)
    }

    @Test func `row 66: a point on demand takes the rule it is asked for`() throws {
        var policy = Policy(name: .standard)
        policy.keep.weekly = 5
        let point = try point("2026-03-02T10:00Z", .manual)
        #expect(try stamp(policy, point, []) == (.standard, 7))
        #expect(try stamp(policy, point, [], rule: .weekly) == (.weekly, 35))
        let error = #expect(throws: PgkeepError.self) {
            try stamp(policy, point, [], rule: .monthly)
        }
        #expect(error?.code == .usage)
    }

    @Test func `a clock that was behind lets nothing go early`() throws {
        var point = try point("2026-03-02T10:00Z", .manual)
        point.finishedAt = point.consistentAt.adding(seconds: -300 * 86400)
        let (_, expires) = try Policy.standard.stamp(
            point,
            others: [],
            revision: 0,
            zone: UTCRules()
        )
        #expect(expires == point.consistentAt.adding(seconds: 7 * 86400))
    }

    @Test func `shorter is what keeps less in any respect`() {
        let old = Policy(name: .standard, retentionDays: 14)
        var new = old
        #expect(!new.isShorter(than: old))
        new.retentionDays = 15
        new.onDemandMax = 1
        #expect(!new.isShorter(than: old))
        new.retentionDays = 13
        #expect(new.isShorter(than: old))
        var kept = old
        kept.keep.weekly = 2
        #expect(old.isShorter(than: kept) && !kept.isShorter(than: old))
        kept = old
        kept.minRedundancy = 2
        #expect(old.isShorter(than: kept))
    }
}
