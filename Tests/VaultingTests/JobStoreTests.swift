import Domain
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

struct JobStoreTests {
    private func job(
        _ time: Timestamp = Timestamp(seconds: 1_767_225_600),
        _ state: JobState = .running
    ) -> JobRecord {
        var record = JobRecord(
            id: JobStore.newID(at: time),
            kind: .backup,
            instance: InstanceName("main"),
            trigger: "manual",
            state: state
        )
        record.startedAt = time
        record.beatAt = time
        if state.isEnd { record.endedAt = time }
        return record
    }

    @Test func `a job goes from stage to stage and its end is the last word`() throws {
        let wal = try WALFixture()
        let jobs = JobStore(wal.vault)
        var record = job()
        record.state = .queued
        try jobs.queue(record)
        #expect(try jobs.list().map(\.state) == [.queued])
        record.state = .running
        #expect(try jobs.begin(record))
        #expect(try !jobs.begin(record), "two processes have it")
        #expect(try jobs.list().map(\.state) == [.running])
        record.doneBytes = 7
        try jobs.update(record)
        #expect(try jobs.read(record.id)?.doneBytes == 7)
        try jobs.requestStop(record.id, by: "ann@db1")
        #expect(try jobs.stopRequest(record.id) == "ann@db1")
        record.state = .cancelled
        #expect(try jobs.end(record))
        record.state = .completed
        #expect(try !jobs.end(record), "an end was changed")
        #expect(try jobs.read(record.id)?.state == .cancelled)
        #expect(try !jobs.begin(record), "an ended job was begun again")
        #expect(wal.store.names.filter { $0.text.hasPrefix("j/") }.count == 1)
        #expect(try jobs.ids(beginning: record.id.description) == [record.id])
    }

    @Test func `what a crash leaves of earlier stages misleads nobody`() throws {
        let wal = try WALFixture()
        let jobs = JobStore(wal.vault)
        var record = job()
        #expect(try jobs.begin(record))
        record.state = .completed
        #expect(try jobs.end(record))
        // A sign of life that was under way when another closed the job.
        var late = record
        late.state = .running
        try jobs.update(late)
        try jobs.queue(late)
        #expect(try jobs.list().map(\.state) == [.completed])
        #expect(try jobs.read(record.id)?.state == .completed)
        #expect(try jobs.removeEnded(before: Timestamp(seconds: 0)) == 0)
        #expect(wal.store.names.filter { $0.text.hasPrefix("j/") }.count == 1)
    }

    @Test func `of many that would run a queued job one does`() throws {
        let wal = try WALFixture()
        let record = job()
        try JobStore(wal.vault).queue(record)
        let runners = (0..<8).map { number in
            Thread<Bool>("runner-\(number)") {
                let jobs = JobStore(wal.vault)
                guard try jobs.begin(record) else { return false }
                var ended = record
                ended.state = .completed
                return try jobs.end(ended)
            }
        }
        #expect(try runners.map { try $0.join() }.count { $0 } == 1)
    }

    @Test func `damage and a swap are found, and hide no other job`() throws {
        let wal = try WALFixture()
        let jobs = JobStore(wal.vault)
        let records = (0..<3).map { job(Timestamp(seconds: 1_767_225_600 + $0), .completed) }
        for record in records { #expect(try jobs.end(record)) }
        let names = records.map { VaultNames.job(.done, $0.id) }
        let first = try wal.store.get(names[0])
        try wal.store.put(names[0], try wal.store.get(names[1]))
        #expect(try jobs.list().map(\.id) == [records[1].id, records[2].id])
        #expect(try thrownCode { _ = try jobs.read(records[0].id) } == .integrity)
        let damage = try VaultCheck(wal.vault, level: .seal).run().damage
        #expect(damage.map(\.object) == [names[0]])
        try wal.store.put(names[0], first)
        #expect(try VaultCheck(wal.vault, level: .seal).run().damage.isEmpty)
    }
}
