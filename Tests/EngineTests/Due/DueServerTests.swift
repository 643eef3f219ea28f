import Domain
import Engine
import Platform
import TestSupport
import Testing
import Vaulting

/// Due work on a real server, days passing by the clock: what is taken, what is skipped and why,
/// and what is tried again.
@Suite(.enabled(if: PostgresInstallation.serversWanted), .serialized)
struct DueServerTests {
    private static let day = 86_400.0

    @Test(arguments: PostgresInstallation.testedMajors)
    func `row 3: a day later run-due makes exactly one backup, then none`(major: Int) throws {
        try WatchedInstance.with(.required(major)) { watched in
            let first = try watched.runDue()
            #expect(first.outcome == .completed && first.point?.trigger == .initial)
            #expect(try watched.runDue().outcome == .notDue)
            for day in 1...2 {
                try watched.server.psql("create table day_\(day) ()")
                watched.clock.advance(seconds: Self.day + 3600)
                let entry = try watched.runDue()
                #expect(entry.outcome == .completed && entry.point?.trigger == .scheduled)
                let again = try watched.runDue()
                #expect(
                    again.outcome == .notDue && again.nextAt.map { $0 > watched.clock.now } == true
                )
                #expect(try watched.points().count == 1 + day)
            }
            let jobs = try watched.jobs()
            #expect(jobs.map(\.trigger) == ["initial", "scheduled", "scheduled"])
            #expect(jobs.allSatisfy { $0.state.isSuccess })
            #expect(jobs.map(\.point) == (try watched.points()).map(\.id))
        }
    }

    @Test func `row 13, 14: a stopped server is skipped once, and made up when it runs`() throws {
        try WatchedInstance.with(.newest()) { watched in
            #expect(try watched.runDue().outcome == .completed)
            try watched.server.psql("create table before_the_stop ()")
            try watched.server.stop()
            // Two days, a call an hour: one record for each slot, and nothing that failed.
            for _ in 0..<48 {
                watched.clock.advance(seconds: 3600)
                let entry = try watched.runDue()
                if entry.outcome != .notDue {
                    #expect(entry.outcome == .skipped && entry.error == nil)
                    #expect(entry.skipReason == "server-stopped")
                }
            }
            let skipped = try watched.jobs().filter { $0.state == .skipped }
            #expect(skipped.count == 2 && skipped.allSatisfy { $0.skipReason == "server-stopped" })
            #expect(try watched.jobs().allSatisfy { $0.state != .failed })
            #expect(try watched.points().count == 1)
            try watched.server.start()
            let overdue = try watched.runDue()
            #expect(overdue.outcome == .completed && overdue.point?.trigger == .scheduled)
            #expect(try watched.runDue().outcome == .notDue)
            // The slot goes on where it was: nothing is missing in between.
            try watched.server.psql("create table after_the_start ()")
            try watched.catchUp()
            let window = try ArchiveSurvey(watched.context, watched.record).window
            #expect(window.gaps.isEmpty && window.intervals.count == 1)
        }
    }

    @Test func `what has not changed is not backed up again`() throws {
        try WatchedInstance.with(.newest()) { watched in
            #expect(try watched.runDue().outcome == .completed)
            // Without the WAL up to now nobody can know.
            try watched.catchUp()
            try watched.server.psql("checkpoint; select pg_switch_wal(); checkpoint")
            try watched.server.psql("select pg_logical_emit_message(true, 'pgkeep', 'heartbeat')")
            try watched.catchUp()
            watched.clock.advance(seconds: Self.day)
            let idle = try watched.runDue()
            #expect(idle.outcome == .skipped && idle.skipReason == "no-change" && idle.isNews)
            let again = try watched.runDue()
            #expect(again.outcome == .notDue && !again.isNews)
            #expect(try watched.jobs().map(\.skipReason) == [nil, "no-change"])
            // A change is seen the next day, and so is one the vault has no WAL of.
            for isFetched in [true, false] {
                try watched.server.psql("create table changed_\(isFetched) ()")
                if isFetched { try watched.catchUp() }
                watched.clock.advance(seconds: Self.day)
                #expect(try watched.runDue().outcome == .completed)
            }
            try watched.catchUp()
            watched.clock.advance(seconds: Self.day)
            watched.options.evenIfUnchanged = true
            #expect(try watched.runDue().outcome == .completed)
        }
    }

    @Test func `while an operator's backup runs the due one is skipped, then taken`() throws {
        try WatchedInstance.with(.newest()) { watched in
            #expect(try watched.runDue().outcome == .completed)
            let system = try watched.record.systemIdentifier
            try watched.server.psql("create table changed ()")
            watched.clock.advance(seconds: Self.day)
            let lease = try Lease.begin(watched.vault, system, kind: .backup, clock: watched.clock)
            let claim = try Claim.acquire(.backup, lease: lease, token: CancellationToken())
            for isNews in [true, false] {
                let entry = try watched.runDue()
                #expect(entry.outcome == .skipped && entry.skipReason == "busy")
                #expect(entry.isNews == isNews)
            }
            try claim.release()
            try lease.end()
            watched.clock.advance(seconds: 60)
            #expect(try watched.runDue().outcome == .completed)
            #expect(try watched.jobs().map(\.state) == [.completed, .skipped, .completed])
            // The role of others' due work is respected too, and leaves no record.
            watched.clock.advance(seconds: Self.day)
            let other = try Lease.begin(watched.vault, system, kind: .due, clock: watched.clock)
            let due = try Claim.acquire(.due, lease: other, token: CancellationToken())
            #expect(try watched.runDue().outcome == .busy)
            #expect(try watched.jobs().count == 3)
            try due.release()
            try other.end()
        }
    }

    @Test func `row 71: a restart mid-copy fails retryably, and the retry completes`() throws {
        let prepare: (PostgresServer) throws -> Void = { try $0.pgbenchInit(scale: 2) }
        try WatchedInstance.with(.newest(), prepare: prepare) { watched in
            watched.options.backup.maxRate = 4096
            let slow = DueBackups(context: watched.context, options: watched.options)
            let first = Thread("due") { try slow.run() }
            try waitUntil("the backup sends data") {
                try watched.server.psql(
                    "select count(*) from pg_stat_progress_basebackup where backup_streamed > 0"
                ) == "1"
            }
            try watched.server.restart()
            let failed = try #require(try first.join().first)
            #expect(failed.outcome == .failed && failed.error?.code.exit == .unreachable)
            let job = try #require(try watched.jobs().last)
            #expect(job.state == .failed && job.retryable)
            #expect(try watched.points().isEmpty)
            // Not at once, but within two minutes, without anybody asking.
            watched.options.backup.maxRate = nil
            let early = try watched.runDue()
            #expect(early.outcome == .waiting && early.nextAt == failed.nextAt)
            watched.clock.advance(seconds: 61)
            #expect(try watched.runDue().outcome == .completed)
            #expect(try watched.jobs().map(\.state) == [.failed, .completed])
            #expect(try watched.jobs().map(\.trigger) == ["initial", "initial"])
            #expect(try watched.points().count == 1)
        }
    }

    @Test func `row 34: primary and standby are one instance with two endpoints`() throws {
        try WatchedInstance.with(.newest()) { watched in
            #expect(try watched.runDue().outcome == .completed)
            let standby = try watched.server.createStandby()
            func add(_ name: String, _ source: String) throws -> AddInstanceJob.Outcome {
                try AddInstanceJob(
                    context: watched.context,
                    name: InstanceName(checking: name),
                    source: source
                ).run()
            }
            let joined = try add("main", standby.conninfo)
            #expect(joined.isJoined && joined.initialJob == nil)
            #expect(joined.instance.source != joined.instance.endpoints.first)
            #expect(try watched.record.endpoints.count == 1)
            #expect(try Instances.list(watched.context).count == 1)
            #expect(try watched.points().count == 1)
            let queued = try Jobs.list(watched.context, states: [.queued])
            #expect(queued.isEmpty)
            // Twice is once, under another name it is refused, and so is another server.
            for (name, source) in [("main", standby.conninfo), ("other", standby.conninfo)] {
                #expect(throws: PgkeepError.self) { try add(name, source) }
            }
            let scratch = try #require(watched.server.scratch)
            let foreign = try PostgresServer.create(watched.server.installation, in: scratch)
            let refusal = #expect(throws: PgkeepError.self) { try add("main", foreign.conninfo) }
            #expect(refusal?.code == .exists)
            #expect(try watched.record.endpoints.count == 1)
        }
    }
}
