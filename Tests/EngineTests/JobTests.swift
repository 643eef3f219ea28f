import Domain
import Engine
import Logging
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

/// Jobs on record, in process: how they end, who sees them, what a crash or a full disk does.
struct JobTests {
    private let instance = SyntheticInstance.self
    private let main = InstanceName("main")

    private func context(
        _ made: SyntheticInstance,
        pace: JobPace = .none,
        token: CancellationToken = CancellationToken()
    ) -> JobContext {
        JobContext(
            vault: made.vault,
            clock: made.clock,
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            token: token,
            pace: pace
        )
    }

    /// One phase with some bytes.
    private func work(_ job: JobHandle, _ made: SyntheticInstance) {
        job.context.meter.begin("copy", totalBytes: 100)
        job.context.meter.add(100)
        made.clock.advance(seconds: 5)
    }

    @Test func `row 84: a record tells phases, bytes, outcome and the end of the log`() throws {
        let made = try SyntheticInstance()
        let context = context(made)
        let point = PointID(time: made.clock.now, random: (1, 2))
        try Job.run(context, kind: .backup, instance: main, trigger: "scheduled") { job in
            job.context.meter.begin("connect")
            made.clock.advance(seconds: 1)
            work(job, made)
            job.context.log.info("half way", metadata: ["source": "password=secret"])
            let seen = try #require(try Jobs.read(context, job.id))
            #expect(seen.state == .running && seen.percent == 0)
            job.setPoint(point)
            job.context.meter.begin("commit")
        }
        let record = try #require(try Jobs.list(context).first)
        #expect(record.state == .completed && record.percent == 100 && record.point == point)
        #expect(record.trigger == "scheduled" && record.instance == main)
        #expect(record.phases.map(\.name) == ["connect", "copy", "commit"])
        #expect(record.phases.map(\.bytes) == [0, 100, 0])
        #expect(record.phases[1].endedAt?.seconds(since: record.phases[1].startedAt) == 5)
        #expect(record.phases.allSatisfy { $0.endedAt != nil })
        #expect(record.logTail.count == 1 && record.logTail[0].contains("half way"))
        #expect(record.logTail[0].hasSuffix("source=password=***"))
        #expect(record.errorCode == nil && record.host == ProcessIdentity.current().host)
    }

    @Test func `every way a job can end is told apart`() throws {
        let made = try SyntheticInstance()
        let context = context(made)
        func end(_ error: PgkeepError?, working: Bool = false) throws -> JobRecord {
            made.clock.advance(seconds: 1)
            do {
                try Job.run(context, kind: .backup, instance: main, trigger: "manual") { job in
                    job.context.meter.begin("connect")
                    if working { work(job, made) }
                    if let error { throw error }
                    job.warn("file x could not be captured")
                }
                #expect(error == nil)
            } catch let thrown as PgkeepError {
                #expect(thrown.code == error?.code)
            }
            return try #require(try Jobs.list(context).last)
        }
        let warned = try end(nil)
        #expect(warned.state == .completedWarning && warned.warnings.count == 1)
        let failed = try end(PgkeepError(.sourceUnreachable, "the server\nis away", hint: "wait"))
        #expect(failed.state == .failed && failed.retryable)
        #expect(failed.errorCode == "source.unreachable" && failed.message == "the server is away")
        #expect(failed.logTail.last?.hasSuffix("→ wait") == true && failed.percent < 100)
        #expect(try !end(PgkeepError(.integrity, "damage")).retryable)
        #expect(try end(PgkeepError(.cancelled, "interrupted")).state == .cancelled)
        let busy = try end(PgkeepError(.busy, "another backup"))
        #expect(busy.state == .skipped && busy.skipReason == "busy")
        // A role lost amid the work is a failure.
        #expect(try end(PgkeepError(.busy, "taken over"), working: true).state == .failed)
        #expect(try Jobs.list(context, states: [.failed]).count == 3)
        #expect(try Jobs.list(context, kinds: [.restore]).isEmpty)
    }

    @Test func `row 80: one record for each run, skipped ones and queued ones too`() throws {
        let made = try SyntheticInstance()
        let context = context(made)
        for _ in 0..<3 {
            try Job.run(context, kind: .backup, instance: main, trigger: "scheduled") {
                work($0, made)
            }
        }
        try Job.recordSkipped(
            context,
            kind: .backup,
            instance: main,
            trigger: "scheduled",
            reason: "no-change"
        )
        let queued = try Job.queue(context, kind: .backup, instance: main, trigger: "initial")
        #expect(try Jobs.list(context, states: [.queued]).map(\.id) == [queued])
        try Job.run(
            context,
            kind: .backup,
            instance: main,
            trigger: "initial",
            queued: queued
        ) { job in
            #expect(job.id == queued)
            work(job, made)
        }
        let all = try Jobs.list(context)
        #expect(all.count == 5 && all.count { $0.state == .completed } == 4)
        #expect(all.filter { $0.state == .skipped }.map(\.skipReason) == ["no-change"])
        #expect(all.contains { $0.id == queued && $0.queuedAt != nil })
        #expect(
            throws: PgkeepError.self,
            "a job that has ended was run again",
            performing: {
                try Job.run(
                    context,
                    kind: .backup,
                    instance: main,
                    trigger: "initial",
                    queued: queued
                ) { _ in Issue.record("the body ran") }
            }
        )
        #expect(try Jobs.list(context).count == 5)
    }

    @Test func `a quiet job leaves a record only when it did something or failed`() throws {
        let made = try SyntheticInstance()
        let context = context(made)
        func stream(_ body: (JobHandle) throws -> Void) throws {
            try Job.run(
                context,
                kind: .stream,
                instance: main,
                trigger: "manual",
                isQuiet: true,
                body
            )
        }
        try stream { $0.context.meter.begin("stream") }
        #expect(try Jobs.list(context).isEmpty)
        #expect(!made.store.names.contains { $0.text.hasPrefix("j/") })
        try stream { work($0, made) }
        try? stream { _ in throw PgkeepError(.slotLost, "the slot is lost") }
        #expect(try Jobs.list(context).map(\.state) == [.completed, .failed])
    }

    @Test func `a wish to cancel reaches the job from elsewhere`() throws {
        let made = try SyntheticInstance()
        let token = CancellationToken()
        let running = context(made, pace: .calm, token: token)
        let other = context(made)
        let error = #expect(throws: PgkeepError.self) {
            try Job.run(running, kind: .restore, instance: main, trigger: "manual") { job in
                work(job, made)
                let asked = try Jobs.cancel(other, String(job.id.description.prefix(30)))
                #expect(asked.state == .running)
                #expect(token.sleep(seconds: 60), "nobody cancelled it")
                try token.check()
            }
        }
        #expect(error?.code == .cancelled)
        let record = try #require(try Jobs.list(other).first)
        #expect(record.state == .cancelled)
        #expect(record.message?.contains(ActivityLog.actor) == true)
        #expect(!made.store.names.contains { $0.text.hasPrefix("j/stop/") })
        #expect(throws: PgkeepError.self) { try Jobs.cancel(other, record.id.description) }
        let queued = try Job.queue(other, kind: .backup, instance: main, trigger: "initial")
        #expect(try Jobs.cancel(other, queued.description).state == .cancelled)
        #expect(try Jobs.list(other, states: [.queued, .running]).isEmpty)
    }

    @Test func `a dead job is closed as failed with the phase it died in`() throws {
        let made = try SyntheticInstance()
        let context = context(made)
        let store = JobStore(made.vault)
        var gone = ProcessIdentity.current()
        gone.ticks += 1
        var elsewhere = gone
        elsewhere.boot = "another machine"
        var ids: [JobID] = []
        for holder in [gone, elsewhere] {
            var record = JobRecord(
                id: JobStore.newID(at: made.clock.now),
                kind: .backup,
                instance: main,
                trigger: "manual",
                state: .running,
                holder: holder
            )
            record.beatAt = made.clock.now
            record.phases = [JobRecord.Phase(name: "copy", startedAt: made.clock.now)]
            #expect(try store.begin(record))
            ids.append(record.id)
        }
        made.clock.advance(seconds: 60)
        #expect(try Jobs.list(context, states: [.running]).map(\.id) == [ids[1]])
        made.clock.advance(seconds: 100)
        let ended = try Jobs.list(context)
        #expect(ended.map(\.state) == [.failed, .failed] && ended.allSatisfy(\.retryable))
        #expect(ended.allSatisfy { $0.message?.hasSuffix("in phase copy") == true })
        #expect(ended.map(\.endedAt) == [ended[0].beatAt, ended[1].beatAt])
        // It was only silent after all: its own end comes too late, and harms nothing.
        var late = ended[1]
        late.state = .completed
        #expect(try !store.end(late))
    }

    @Test func `row 82, 83: seven days by default, all and ongoing on request`() throws {
        let made = try SyntheticInstance()
        let context = context(made)
        func run(_ kind: JobKind) throws {
            try Job.run(context, kind: kind, instance: main, trigger: "manual") { work($0, made) }
        }
        try run(.backup)
        made.clock.advance(seconds: 8 * 86400)
        try run(.check)
        let queued = try Job.queue(context, kind: .backup, instance: main, trigger: "initial")
        let week = made.clock.now.adding(seconds: -7 * 86400)
        #expect(try Jobs.list(context, since: week).map(\.kind) == [.check, .backup])
        #expect(try Jobs.list(context).count == 3)
        #expect(try Jobs.list(context, states: [.completed, .queued]).count == 3)
        // 90 days after its end a record goes; one that still waits stays.
        made.clock.advance(seconds: 86 * 86400)
        try Jobs.prune(context)
        #expect(try Jobs.list(context).map(\.kind) == [.check, .backup])
        made.clock.advance(seconds: 8 * 86400)
        try Jobs.prune(context)
        #expect(try Jobs.list(context).map(\.id) == [queued])
    }

    @Test(arguments: [false, true])
    func `a vault that takes no record keeps no job from being done`(isFull: Bool) throws {
        let made = try SyntheticInstance()
        let context = context(made)
        made.store.setFaults { call in
            guard call.name.hasPrefix("j/"), call.operation != .list else { return nil }
            return isFull ? .full : .refuse
        }
        let done = try Job.run(context, kind: .backup, instance: main, trigger: "manual") { job in
            work(job, made)
            return 42
        }
        #expect(done == 42)
        made.store.setFaults(nil)
        #expect(try Jobs.list(context).isEmpty)
    }
}
