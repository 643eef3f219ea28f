import Domain
import Engine
import TestSupport
import Testing
import Vaulting

/// When a backup is due, without a vault and without a server.
struct DueRuleTests {
    /// 2026-01-10 00:00 UTC.
    private let midnight = Timestamp(seconds: 1_768_003_200)
    private let instance: InstanceRecord

    init() throws {
        instance = try InstanceRecord(
            name: InstanceName(checking: "main"),
            systemIdentifier: SyntheticInstance.system,
            source: "host=a",
            slot: nil,
            serverVersion: ServerVersion(number: 180_000),
            segmentSize: .standard,
            createdAt: midnight.adding(seconds: -10 * 86400)
        )
    }

    private func at(_ hour: Int, _ minute: Int = 0, day: Int = 0) -> Timestamp {
        midnight.adding(seconds: Int64(day * 86400 + hour * 3600 + minute * 60))
    }

    private func rule(
        _ schedule: String = "0 2 * * *",
        hours: String? = nil,
        jitter: Int = 0
    ) throws -> DueRule {
        var policy = Policy.standard
        policy.schedule = try CronSchedule(schedule)
        policy.allowedHours = try hours.map { try #require(AllowedHours($0)) }
        return DueRule(policy: policy, zone: UTCRules(), jitterSeconds: jitter)
    }

    private func point(
        _ time: Timestamp,
        _ trigger: RecoveryPoint.Trigger = .scheduled
    ) throws -> RecoveryPoint {
        var point = try SyntheticStream.point(PointID(time: time, random: (1, 2)))
        point.startedAt = time
        point.finishedAt = time.adding(seconds: 60)
        point.trigger = trigger
        return point
    }

    private func job(
        _ time: Timestamp,
        _ state: JobState,
        retryable: Bool = false,
        skipped: SkipReason? = nil,
        trigger: RecoveryPoint.Trigger = .scheduled
    ) -> JobRecord {
        var job = JobRecord(
            id: JobID(time: time, random: (1, UInt64(bitPattern: time.microseconds))),
            kind: .backup,
            instance: instance.name,
            trigger: trigger.rawValue,
            state: state
        )
        job.startedAt = time
        job.endedAt = time
        job.retryable = retryable
        job.skipReason = skipped?.rawValue
        return job
    }

    @Test func `what was missed for weeks is made up once`() throws {
        let rule = try rule()
        let points = [try point(at(2, day: -20))]
        let verdict = rule.verdict(instance, points: points, tries: [], now: at(9))
        #expect(verdict == .due(DueRule.Slot(time: at(2), trigger: .scheduled)))
        let served = points + [try point(at(9))]
        #expect(
            rule.verdict(instance, points: served, tries: [], now: at(9, 1))
                == .nothing(next: at(2, day: 1))
        )
        #expect(
            rule.verdict(instance, points: served, tries: [], now: at(2, day: 1))
                == .due(DueRule.Slot(time: at(2, day: 1), trigger: .scheduled))
        )
    }

    @Test func `only a good automatic point of that time serves a slot`() throws {
        let rule = try rule()
        let due = DueRule.Verdict.due(DueRule.Slot(time: at(2), trigger: .scheduled))
        let old = try point(at(2, day: -1))
        var damaged = try point(at(3))
        damaged.state = .damaged
        // Made by a clock a year ahead: it must not keep backups away for a year.
        let future = try point(at(2, day: 365))
        for points in [[old], [old, try point(at(3), .manual)], [old, damaged], [old, future]] {
            #expect(rule.verdict(instance, points: points, tries: [], now: at(4)) == due)
        }
        // Begun before the slot, however long it took.
        #expect(
            rule.verdict(instance, points: [try point(at(1, 59))], tries: [], now: at(4)) == due
        )
        #expect(
            rule.verdict(instance, points: [try point(at(2))], tries: [], now: at(4))
                == .nothing(next: at(2, day: 1))
        )
    }

    @Test func `a failed try is followed by others after 1, 2, 4 … minutes, then hourly`() throws {
        let rule = try rule()
        let slot = DueRule.Slot(time: at(2), trigger: .scheduled)
        let points = [try point(at(2, day: -1))]
        var tries: [JobRecord] = []
        var now = at(2)
        var waits: [Int64] = []
        while now < at(1, day: 1) {
            #expect(rule.verdict(instance, points: points, tries: tries, now: now) == .due(slot))
            tries.append(job(now, .failed, retryable: true))
            guard
                case .waiting(slot, let again) = rule.verdict(
                    instance,
                    points: points,
                    tries: tries,
                    now: now
                )
            else {
                Issue.record("no waiting after \(tries.count) tries")
                return
            }
            waits.append((again.seconds - now.seconds) / 60)
            now = again
        }
        #expect(waits.prefix(9) == [1, 2, 4, 8, 16, 32, 64, 64, 64])
        // The next slot begins anew.
        let next = DueRule.Slot(time: at(2, day: 1), trigger: .scheduled)
        #expect(
            rule.verdict(instance, points: points, tries: tries, now: at(2, day: 1)) == .due(next)
        )
    }

    @Test func `what nothing is gained by repeating waits for the next slot`() throws {
        let rule = try rule()
        let points = [try point(at(2, day: -1))]
        let nothing = DueRule.Verdict.nothing(next: at(2, day: 1))
        for settled in [
            job(at(2), .failed), job(at(2), .cancelled),
            job(at(2), .skipped, skipped: .noChange),
        ] {
            let verdict = rule.verdict(instance, points: points, tries: [settled], now: at(12))
            #expect(verdict == nothing, "\(settled.state)")
        }
        let due = DueRule.Verdict.due(DueRule.Slot(time: at(2), trigger: .scheduled))
        for open in [
            job(at(2), .skipped, skipped: .busy), job(at(2), .skipped, skipped: .serverStopped),
            job(at(2), .cancelled, retryable: true), job(at(1, 59), .failed),
        ] {
            let verdict = rule.verdict(instance, points: points, tries: [open], now: at(12))
            #expect(verdict == due, "\(open.state)")
        }
    }

    @Test func `outside its hours a policy begins nothing but the first backup`() throws {
        let rule = try rule("0 2 * * *", hours: "01:00-05:00")
        let slot = DueRule.Slot(time: at(2), trigger: .scheduled)
        let points = [try point(at(2, day: -1))]
        for (time, verdict) in [
            (at(3), DueRule.Verdict.due(slot)), (at(6), .outsideHours(slot)),
            (at(1, 30, day: 1), .due(slot)),
        ] {
            #expect(rule.verdict(instance, points: points, tries: [], now: time) == verdict)
        }
        let first = DueRule.Slot(time: at(2), trigger: .initial)
        #expect(rule.verdict(instance, points: [], tries: [], now: at(12)) == .due(first))
    }

    @Test func `jitter delays an instance by always the same, up to its limit`() throws {
        let rule = try rule(jitter: 1800)
        let points = [try point(at(2, day: -1))]
        let slot = DueRule.Slot(time: at(2), trigger: .scheduled)
        let moments = (0..<60).filter {
            rule.verdict(instance, points: points, tries: [], now: at(2, $0)) == .due(slot)
        }
        let first = try #require(moments.first)
        #expect((1...30).contains(first) && moments == Array(first..<60))
        // Yesterday's, still open, is not given up for that.
        let older = [try point(at(2, day: -2))]
        #expect(
            rule.verdict(instance, points: older, tries: [], now: at(2))
                == .due(DueRule.Slot(time: at(2, day: -1), trigger: .scheduled))
        )
    }

    @Test func `lost WAL makes a backup due at once, at any hour, until one is taken`() throws {
        let rule = try rule(hours: "01:00-03:00")
        let points = [try point(at(2))]
        let lost = at(11)
        func verdict(_ tries: [JobRecord] = [], lostAt: Timestamp?, now: Timestamp)
            -> DueRule.Verdict
        { rule.verdict(instance, points: points, tries: tries, lostAt: lostAt, now: now) }
        let slot = DueRule.Slot(time: lost, trigger: .anchor)
        #expect(verdict(lostAt: lost, now: at(12)) == .due(slot))
        // Tried again like any other, and left alone when an operator ended it.
        let failed = job(at(12), .failed, retryable: true, trigger: .anchor)
        #expect(
            verdict([failed], lostAt: lost, now: at(12).adding(seconds: 30))
                == .waiting(slot, at: at(12).adding(seconds: 60))
        )
        #expect(verdict([failed], lostAt: lost, now: at(12, 2)) == .due(slot))
        let ended = job(at(12), .cancelled, trigger: .anchor)
        guard case .nothing = verdict([ended], lostAt: lost, now: at(12, 1)),
            case .nothing = verdict(lostAt: nil, now: at(12))
        else {
            Issue.record("a backup is due that nobody needs")
            return
        }
    }
    @Test func `a loss noticed under a wrong clock waits for nothing that concerns others`() throws
    {
        let rule = try rule()
        let points = [try point(at(2))]
        // Noticed at 11, by a clock that was nine hours behind.
        let slot = DueRule.Slot(time: at(2), trigger: .anchor)
        let others = [
            job(at(3), .failed, retryable: true), job(at(4), .skipped, skipped: .noChange),
            job(at(5), .cancelled), job(at(6), .failed, retryable: true, trigger: .anchor),
            job(at(7), .completed, trigger: .anchor),
        ]
        func verdict(_ tries: [JobRecord], _ now: Timestamp) -> DueRule.Verdict {
            rule.verdict(instance, points: points, tries: tries, lostAt: at(2), now: now)
        }
        #expect(verdict(others, at(11)) == .due(slot))
        let failed = job(at(11), .failed, retryable: true, trigger: .anchor)
        #expect(
            verdict(others + [failed], at(11).adding(seconds: 1))
                == .waiting(slot, at: at(11, 1))
        )
        // What an operator ended, or no try mends, is tried anew when the schedule says so.
        for last in [
            job(at(12), .cancelled, trigger: .anchor), job(at(12), .failed, trigger: .anchor),
        ] {
            guard case .nothing(let next) = verdict(others + [last], at(13)) else {
                Issue.record("tried again at once")
                return
            }
            #expect(next == at(2, day: 1))
            let renewed = DueRule.Slot(time: at(2, day: 1), trigger: .anchor)
            #expect(verdict(others + [last], at(2, day: 1)) == .due(renewed))
        }
    }
}
