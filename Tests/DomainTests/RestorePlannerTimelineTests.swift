import Domain
import TestSupport
import Testing

/// Names, single backups, timelines, damaged points: where a plan must look twice.
struct RestorePlannerTimelineTests {
    @Test func `of restore points with one name the last is meant, by position`() throws {
        var cluster = SimulatedInstance()
        cluster.backup()
        cluster.write(.mark(name: "release", time: cluster.now), bytes: 96)
        cluster.commit()
        let second = cluster.write(.mark(name: "release", time: cluster.now), bytes: 96)
        let atEnd = try SimulatedArchive(cluster).plan(.name("release"))
        #expect(atEnd.isReachable && atEnd.settings.isEmpty && atEnd.effectiveLSN == second.end)
        cluster.commit()
        let archive = SimulatedArchive(cluster)
        let plan = try archive.plan(.name("release"))
        #expect(plan.settings.first?.name == "recovery_target_lsn")
        #expect(plan.warnings.contains { $0.contains("2 restore points have that name") })
        #expect(SimulatedRecovery(archive: archive).run(plan)?.end == second.end)
        // With a backup in between, the name itself is safe.
        cluster.backup()
        cluster.write(.mark(name: "release", time: cluster.now), bytes: 96)
        let safe = try SimulatedArchive(cluster).plan(.name("release"))
        #expect(safe.settings == [.init(name: "recovery_target_name", value: "release")])
    }

    @Test func `a single backup needs only its own WAL`() throws {
        var cluster = SimulatedInstance()
        cluster.commit(bytes: 900_000)
        cluster.beginBackup()
        cluster.commit(bytes: 900_000)
        let point = cluster.endBackup()
        for _ in 0..<30 { cluster.commit(bytes: 200_000) }
        var archive = SimulatedArchive(cluster)
        archive.lose(1, point.stopLSN + (2 << 20))
        let plan = try archive.plan(.immediate(point.id))
        #expect(plan.settings == [.init(name: "recovery_target", value: "immediate")])
        #expect(plan.effectiveLSN == point.stopLSN && plan.effectiveTime == point.consistentAt)
        #expect(plan.segments.count == 2)
        archive.lose(1, point.startLSN)
        #expect(try !archive.plan(.immediate(point.id)).isReachable)
    }

    @Test func `a rolled back transaction can be a target, with a word about it`() throws {
        var cluster = SimulatedInstance()
        cluster.backup()
        let abort = cluster.write(.abort(xid: 4711, time: cluster.now))
        cluster.commit()
        let plan = try SimulatedArchive(cluster).plan(.xid(4711))
        #expect(plan.isReachable && plan.effectiveLSN == abort.end)
        #expect(plan.warnings.contains { $0.contains("rolled back") })
    }

    @Test func `replay follows a switch and reads the shared segment from the child`() throws {
        var cluster = SimulatedInstance()
        let point = cluster.backup()
        for _ in 0..<8 { cluster.commit(bytes: 200_000) }
        let fork = cluster.end
        cluster.promote()
        cluster.pass(seconds: 10)
        for _ in 0..<8 { cluster.commit(bytes: 200_000) }
        cluster.pass(seconds: 10)
        cluster.commit()
        var archive = SimulatedArchive(cluster)
        let plan = try archive.plan(.latest)
        #expect(plan.point?.id == point.id && plan.targetTimeline == "2" && plan.timeline == 2)
        let shared = archive.segment(2, fork)
        #expect(plan.segments.contains(shared))
        #expect(!plan.segments.contains(archive.segment(1, fork)))
        #expect(plan.segments.map(\.timeline) == plan.segments.map(\.timeline).sorted())
        #expect(SimulatedRecovery(archive: archive).run(plan)?.end == cluster.end)

        // Without the history file nothing links the timelines: refuse rather than guess.
        archive.histories = []
        let unlinked = try archive.plan(.latest)
        #expect(!unlinked.isReachable && unlinked.reason.contains("history"))
        #expect(try archive.plan(.latest, timeline: 1).isReachable)
    }

    @Test func `commits an old primary made after the fork need their own timeline`() throws {
        var cluster = SimulatedInstance()
        cluster.backup()
        for _ in 0..<3 { cluster.commit(bytes: 100_000) }
        var abandoned = cluster
        cluster.promote()
        abandoned.pass(seconds: 100)
        let lost = abandoned.commit(xid: 9000)
        abandoned.pass(seconds: 1)
        abandoned.commit(bytes: 300_000)
        cluster.records[1] = abandoned.records[1]
        cluster.pass(seconds: 500)
        for _ in 0..<4 { cluster.commit(bytes: 100_000) }
        let archive = SimulatedArchive(cluster)
        #expect(try !archive.plan(.xid(9000)).isReachable)
        let plan = try archive.plan(.xid(9000), timeline: 1)
        #expect(plan.isReachable && plan.targetTimeline == "1" && plan.effectiveLSN == lost.end)
        let ambiguous = try archive.plan(.lsn(lost.end))
        #expect(ambiguous.warnings.contains { $0.contains("--timeline 1") })
        #expect(archive.window.intervals.map(\.timeline) == [1, 2])
    }

    @Test func `a missing shared segment ends replay at the switch, not on the wrong branch`()
        throws
    {
        var cluster = SimulatedInstance()
        cluster.backup()
        for _ in 0..<3 { cluster.commit(bytes: 100_000) }
        let fork = cluster.end
        var abandoned = cluster
        cluster.promote()
        abandoned.pass(seconds: 100)
        abandoned.commit(xid: 9000)
        cluster.records[1] = abandoned.records[1]
        for _ in 0..<30 { cluster.commit(bytes: 100_000) }
        var archive = SimulatedArchive(cluster)
        archive.lose(2, fork)
        let plan = try archive.plan(.latest)
        #expect(plan.isReachable && plan.effectiveLSN == fork)
        #expect(SimulatedRecovery(archive: archive).run(plan)?.end == fork)
        #expect(plan.warnings.contains { $0.contains("switch") })
        #expect(try !archive.plan(.xid(9000)).isReachable, "that commit is the other branch's")
        // Behind the start of the last record before the switch no record starts that is due.
        for inclusive in [true, false] {
            let plan = try archive.plan(.lsn(LSN(fork.rawValue - 8)), inclusive: inclusive)
            #expect(plan.isReachable && plan.effectiveLSN == fork)
            #expect(SimulatedRecovery(archive: archive).run(plan)?.end == fork)
        }
    }

    /// As a segment switch right before a promotion leaves it: nothing is cut, yet the parent's
    /// next segment is the other branch's.
    @Test func `a missing first segment of a timeline is not read from the parent's branch`() throws
    {
        var cluster = SimulatedInstance()
        cluster.backup()
        cluster.commit()
        cluster.switchSegment()
        let fork = cluster.end
        var abandoned = cluster
        cluster.promote()
        abandoned.commit(xid: 9000)
        cluster.records[1] = abandoned.records[1]
        for _ in 0..<30 { cluster.commit(bytes: 100_000) }
        var archive = SimulatedArchive(cluster)
        #expect(try archive.plan(.latest).effectiveLSN == cluster.end)
        archive.lose(2, fork)
        let plan = try archive.plan(.latest)
        #expect(plan.isReachable && plan.effectiveLSN == fork)
        #expect(SimulatedRecovery(archive: archive).run(plan)?.end == fork)
        #expect(try !archive.plan(.xid(9000)).isReachable, "that commit is the other branch's")
    }

    @Test func `the other branch's record at the switch need not be whole`() throws {
        var cluster = SimulatedInstance()
        cluster.backup()
        cluster.commit()
        let fork = cluster.end
        var abandoned = cluster
        cluster.promote()
        abandoned.commit(bytes: 100_000)
        cluster.records[1] = abandoned.records[1]
        cluster.commit()
        var archive = SimulatedArchive(cluster)
        archive.lose(2, fork)
        archive.held[archive.segment(1, fork)] = fork + 1000
        let plan = try archive.plan(.latest)
        #expect(plan.isReachable && plan.effectiveLSN == fork)
        #expect(SimulatedRecovery(archive: archive).run(plan)?.end == fork)
    }

    @Test func `a point without its history file can still be used on its own timeline`() throws {
        var cluster = SimulatedInstance()
        cluster.commit()
        cluster.promote()
        cluster.backup()
        cluster.commit()
        var archive = SimulatedArchive(cluster)
        archive.histories = []
        let plan = try archive.plan(.latest)
        #expect(plan.isReachable && plan.targetTimeline == "current")
    }

    @Test func `a lost history file is made up for by a descendant's`() throws {
        let child = TimelineHistory(
            timeline: 3,
            forks: [.init(timeline: 1, end: LSN(100)), .init(timeline: 2, end: LSN(200))]
        )
        let tree = TimelineTree([child])
        #expect(
            tree.history(of: 2)
                == TimelineHistory(timeline: 2, forks: [.init(timeline: 1, end: LSN(100))])
        )
        #expect(tree.history(of: 1) == .root(1) && tree.history(of: 4) == nil)
        #expect(!tree.hasFile(2) && tree.hasFile(3) && tree.hasFile(1))
        #expect(tree.timelines == [1, 2, 3])
    }

    @Test func `damaged and incomplete points are passed over and named`() throws {
        var cluster = SimulatedInstance()
        let sound = cluster.backup()
        cluster.commit()
        cluster.backup()
        cluster.points[1].state = .damaged
        cluster.points[0].checksumFailures = [.init(path: "base/5/1", block: 3, message: "bad")]
        cluster.commit()
        let archive = SimulatedArchive(cluster)
        let plan = try archive.plan(.latest)
        #expect(plan.point?.id == sound.id)
        #expect(plan.warnings.contains { $0.contains("damaged and not used") })
        #expect(plan.warnings.contains { $0.contains("1 damaged pages") })
        #expect(try !archive.plan(.immediate(cluster.points[1].id)).isReachable)
        cluster.points[0].state = .running
        #expect(try !SimulatedArchive(cluster).plan(.latest).isReachable)
    }

    @Test func `the server settings replay needs are the highest on the way`() throws {
        var cluster = SimulatedInstance()
        cluster.backup()
        cluster.points[0].settings = SettingsFloor(maxConnections: 100, maxWALSenders: 10)
        cluster.commit()
        let archive = SimulatedArchive(cluster)
        let segment = archive.segment(1, SimulatedInstance.origin)
        var summary = WALSummary(start: segment.start)
        summary.count(start: cluster.points[0].startLSN, end: cluster.end)
        summary.add(SettingsFloor(maxConnections: 300, maxWALSenders: 5))
        let wal = WALHoldings(
            segmentSize: SimulatedInstance.size,
            pieces: [
                .init(
                    segment: segment,
                    start: segment.start,
                    end: cluster.end,
                    form: .journal,
                    summary: summary
                )
            ],
            divergent: [segment]
        )
        let plan = try RestorePlanner(
            instance: simulatedName,
            points: cluster.points,
            wal: wal,
            timelines: TimelineTree([]),
            inspector: archive
        ).plan(RecoveryTargetSpec())
        #expect(plan.floor == SettingsFloor(maxConnections: 300, maxWALSenders: 10))
        #expect(plan.warnings.contains { $0.contains("two contents") })
    }
}
