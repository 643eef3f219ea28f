import Domain
import TestSupport
import Testing

/// The mission's examples and the traps PostgreSQL sets, one by one.
struct RestorePlannerTests {
    @Test func `a target next morning uses last night's backup and eleven hours of WAL`() throws {
        // mission.md rows 42–44: nightly at 23:00, target 10:00 the next day.
        var cluster = SimulatedInstance()
        cluster.now = try #require(Timestamp("2026-08-13T22:59:58Z"))
        var nights: [RecoveryPoint] = []
        for _ in 0..<3 {
            nights.append(cluster.backup())
            for _ in 0..<(24 * 12) {
                cluster.commit(bytes: 40_000)
                cluster.pass(seconds: 300)
            }
            cluster.pass(seconds: -2)
        }
        let archive = SimulatedArchive(cluster)
        let target = try #require(Timestamp("2026-08-15T10:00:00Z"))
        let plan = try archive.plan(.time(target))
        #expect(plan.isReachable)
        #expect(plan.point?.id == nights[1].id)
        #expect(
            plan.settings.map { "\($0.name)=\($0.value)" } == [
                "recovery_target_time=2026-08-15 10:00:00+00"
            ]
        )
        #expect(plan.targetTimeline == "1")
        let effective = try #require(plan.effectiveTime)
        #expect(effective <= target && target.seconds(since: effective) < 300)
        // Eleven hours at one commit of 40 kB every five minutes.
        #expect((130 * 40_000...133 * 41_000).contains(plan.walBytes))
        let first = archive.segment(1, nights[1].startLSN)
        #expect(plan.segments.first == first)
        #expect(plan.segments.last == archive.segment(1, try #require(plan.effectiveLSN)))
        #expect(plan.segments.allSatisfy { $0.timeline == 1 } && plan.segments.count >= 6)
        #expect(plan.baseBytes == 1_000_000)
        #expect(plan.eta.map { $0.low <= $0.likely && $0.likely <= $0.high } == true)
    }

    @Test func `latest names no target and ends at the last commit`() throws {
        var cluster = SimulatedInstance()
        cluster.backup()
        cluster.pass(seconds: 60)
        let last = cluster.commit()
        let plan = try SimulatedArchive(cluster).plan(.latest)
        #expect(plan.isReachable && plan.settings.isEmpty && plan.warnings.isEmpty)
        #expect(plan.effectiveTime == last.transactionEnd?.time)
        #expect(plan.effectiveLSN == last.end)
    }

    @Test func `an idle server's last minutes are reached by replaying everything`() throws {
        // E1 and E2b: PostgreSQL would die on a time no later commit proves.
        var cluster = SimulatedInstance()
        cluster.backup()
        cluster.pass(seconds: 60)
        let commit = try #require(cluster.commit().transactionEnd)
        cluster.pass(seconds: 600)
        cluster.keepalive()
        let archive = SimulatedArchive(cluster)
        for time in [
            commit.time, commit.time.adding(seconds: 300), commit.time.adding(seconds: 599),
        ] {
            let plan = try archive.plan(.time(time))
            #expect(plan.isReachable && plan.settings.isEmpty, "\(time)")
            #expect(plan.effectiveTime == commit.time)
        }
        let beyond = try archive.plan(.time(commit.time.adding(seconds: 601)))
        #expect(!beyond.isReachable)
        #expect(beyond.lastReachableTime == commit.time.adding(seconds: 599))
        #expect(beyond.error?.code == .outsideWindow)
        #expect(beyond.error?.hint.contains("last reachable moment") == true)
        #expect(archive.window.intervals.first?.latest == commit.time)
        #expect(archive.window.intervals.first?.streamedUntil == commit.time.adding(seconds: 599))
    }

    @Test func `excluding the last commit's own time stops before it`() throws {
        var cluster = SimulatedInstance()
        let point = cluster.backup()
        cluster.pass(seconds: 60)
        let first = cluster.commit()
        cluster.pass(seconds: 60)
        let last = cluster.commit()
        let time = try #require(last.transactionEnd?.time)
        let plan = try SimulatedArchive(cluster).plan(.time(time), inclusive: false)
        #expect(plan.effectiveLSN == last.start)
        #expect(plan.effectiveTime == first.transactionEnd?.time)
        #expect(plan.settings.contains(.init(name: "recovery_target_inclusive", value: "off")))
        #expect(plan.point?.id == point.id)
    }

    @Test func `an LSN at the end of WAL is met by replaying everything`() throws {
        var cluster = SimulatedInstance()
        cluster.backup()
        let last = cluster.commit(bytes: 1000)
        let archive = SimulatedArchive(cluster)
        for inclusive in [true, false] {
            // Its end, and the middle of the last record: no record starts at or after either.
            for position in [last.end, last.start + 8] {
                let plan = try archive.plan(.lsn(position), inclusive: inclusive)
                #expect(plan.isReachable && plan.settings.isEmpty)
                #expect(plan.effectiveLSN == last.end)
            }
            let exact = try archive.plan(.lsn(last.start), inclusive: inclusive)
            #expect(exact.settings.first?.value == last.start.description)
            let beyond = try archive.plan(.lsn(last.end + 8), inclusive: inclusive)
            #expect(!beyond.isReachable && beyond.lastReachableLSN == last.end)
        }
    }

    @Test func `an LSN behind the header of a page not yet written is the end of WAL`() throws {
        var cluster = SimulatedInstance()
        cluster.backup()
        let rest = 8192 - cluster.position.rawValue % 8192
        let last = cluster.commit(bytes: rest)
        #expect(last.end.rawValue % 8192 == 0)
        let archive = SimulatedArchive(cluster)
        #expect(try archive.plan(.lsn(last.end + 24)).isReachable)
        #expect(try !archive.plan(.lsn(last.end + 32)).isReachable)
    }

    @Test func `a tablespace counts as made when replay passes its record`() throws {
        var cluster = SimulatedInstance()
        cluster.write(.tablespace)
        cluster.backup()
        let before = cluster.commit(at: cluster.now.adding(seconds: 1))
        let large = cluster.write(.other, bytes: 4000)
        let made = cluster.write(.tablespace)
        cluster.write(.mark(name: "after", time: cluster.now), bytes: 96)
        let later = cluster.commit(at: cluster.now.adding(seconds: 2))
        let archive = SimulatedArchive(cluster)
        func count(_ target: RecoveryTarget, inclusive: Bool = true) throws -> Int {
            try archive.plan(target, inclusive: inclusive).createdTablespaces.count
        }
        #expect(try count(.latest) == 1)
        #expect(try count(.name("after")) == 1)
        // Excluding a later commit still replays what lies before it.
        #expect(try count(.time(before.transactionEnd?.time ?? cluster.now)) == 1)
        #expect(try count(.time(later.transactionEnd?.time ?? cluster.now)) == 1)
        #expect(try count(.xid(before.transactionEnd?.xid ?? 0)) == 0)
        // A position to be included takes the first record that starts there or later.
        for (position, inclusive, exclusive) in [
            (large.start, 0, 0), (large.start + 8, 1, 0), (made.start, 1, 0), (made.end, 1, 1),
        ] {
            #expect(try count(.lsn(position)) == inclusive, "\(position)")
            #expect(try count(.lsn(position), inclusive: false) == exclusive, "\(position)")
        }
    }

    @Test func `targets before the first point are refused with the first moment there is`() throws
    {
        var cluster = SimulatedInstance()
        let early = cluster.commit(xid: 5)
        cluster.write(.mark(name: "early", time: cluster.now), bytes: 96)
        cluster.pass(seconds: 100)
        let point = cluster.backup()
        cluster.pass(seconds: 10)
        cluster.commit()
        let archive = SimulatedArchive(cluster)
        let before = point.consistentAt.adding(seconds: -1)
        let plans = try [
            archive.plan(.time(before)), archive.plan(.lsn(early.start)), archive.plan(.xid(5)),
            archive.plan(.name("early")),
        ]
        for plan in plans {
            #expect(!plan.isReachable && plan.point == nil)
            #expect(plan.error?.code.exit == .outsideWindow)
        }
        #expect(plans[0].nextReachableTime == point.consistentAt)
        #expect(try archive.plan(.time(point.consistentAt)).isReachable)
        #expect(try archive.plan(.lsn(point.stopLSN)).isReachable)
    }

    @Test func `what is unknown is refused`() throws {
        var cluster = SimulatedInstance()
        cluster.backup()
        cluster.pass(seconds: 10)
        cluster.commit()
        let archive = SimulatedArchive(cluster)
        #expect(try archive.plan(.xid(99)).reason.contains("no transaction 99"))
        #expect(try archive.plan(.name("nothing")).reason.contains("nothing"))
        let timeline = try archive.plan(.latest, timeline: 7)
        #expect(timeline.reason == "timeline 7 is not in the archive")
        #expect(timeline.error?.code.exit == .outsideWindow)
        let point = try archive.plan(.immediate(PointID(milliseconds: 99, random: (1, 1))))
        #expect(point.error?.code == .notFound)
        var empty = archive
        empty.cluster.points = []
        #expect(try empty.plan(.latest).error?.code == .outsideWindow)
    }

    @Test func `a gap is named, and what lies on either side of it`() throws {
        var cluster = SimulatedInstance()
        cluster.backup()
        for _ in 0..<60 {
            cluster.pass(seconds: 60)
            cluster.commit(bytes: 100_000)
        }
        let lost = LSN(6 << 20)
        let later = cluster.backup()
        for _ in 0..<20 {
            cluster.pass(seconds: 60)
            cluster.commit(bytes: 100_000)
        }
        var archive = SimulatedArchive(cluster)
        archive.lose(1, lost)
        archive.losses = [.init(timeline: 1, start: lost, end: lost + (1 << 20), cause: .slotLost)]
        let inside = try #require(
            cluster.record(on: 1) { $0.start > lost + 400_000 }?.transactionEnd
        )
        let plan = try archive.plan(.time(inside.time))
        #expect(!plan.isReachable)
        #expect(plan.reason.contains("gap") && plan.reason.contains("slot-lost"))
        #expect(plan.nextReachableTime == later.consistentAt)
        #expect(plan.lastReachableTime.map { $0 < inside.time } == true)
        #expect(try archive.plan(.lsn(inside.end)).reason.contains("in a gap"))
        #expect(try !archive.plan(.xid(inside.xid)).isReachable)
        let window = archive.window
        #expect(window.intervals.count == 2)
        #expect(window.gaps.map(\.cause) == [.slotLost])
        #expect(window.gaps.map(\.from) == [lost] && window.gaps.map(\.to) == [lost + (1 << 20)])
        // Without the later point the rest cannot be used, and latest says so.
        archive.cluster.points.removeLast()
        let latest = try archive.plan(.latest)
        #expect(latest.isReachable && latest.warnings.contains { $0.contains("is missing") })
        #expect(latest.effectiveLSN.map { $0 <= lost } == true)
    }

    @Test func `a clock set back during a backup sends the target to an older point`() throws {
        var cluster = SimulatedInstance()
        let older = cluster.backup()
        cluster.pass(seconds: 1000)
        cluster.beginBackup()
        cluster.commit(at: cluster.now.adding(seconds: 500))
        let newer = cluster.endBackup()
        cluster.pass(seconds: 100)
        cluster.commit()
        let plan = try SimulatedArchive(cluster).plan(
            .time(newer.consistentAt.adding(seconds: 10))
        )
        #expect(plan.isReachable && plan.point?.id == older.id)
    }

    @Test func `a clock that ran ahead before the backup does not stop replay after it`() throws {
        var cluster = SimulatedInstance()
        cluster.commit(at: cluster.now.adding(seconds: 5000))
        let point = cluster.backup()
        cluster.pass(seconds: 100)
        let wanted = cluster.commit()
        cluster.pass(seconds: 100)
        let later = cluster.commit()
        let archive = SimulatedArchive(cluster)
        let plan = try archive.plan(.time(cluster.now.adding(seconds: -50)))
        #expect(plan.point?.id == point.id && plan.effectiveLSN == later.start)
        #expect(plan.effectiveTime == wanted.transactionEnd?.time)
        #expect(try !archive.plan(.time(cluster.now.adding(seconds: 50))).isReachable)
    }
}
