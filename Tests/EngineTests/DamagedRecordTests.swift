import Domain
import Engine
import Storage
import TestSupport
import Testing
import Vaulting

/// The record of one instance is damaged: what cron runs for all is done for the others, and fails.
@Suite struct DamagedRecordTests {
    private let fixture: LifecycleFixture
    private let other = SystemIdentifier(0x6a5b_4c3d_2e1f_0003)
    private var context: JobContext { fixture.context }
    private var store: MemoryStore { fixture.instance.store }

    init() throws {
        fixture = try LifecycleFixture(points: 1)
        let name = try InstanceName(checking: "another")
        try context.vault.instances(clock: fixture.clock).create(
            name.description,
            InstanceRecord(
                name: name,
                systemIdentifier: other,
                source: "host=/nonexistent",
                slot: nil,
                serverVersion: ServerVersion(number: 180_000),
                segmentSize: .standard,
                createdAt: fixture.clock.now
            )
        )
        let record = try #require(try store.list(prefix: "r/instance/another/").last?.name)
        var bytes = try #require(store.peek(record))
        bytes[bytes.count / 2] ^= 1
        store.overwrite(record, with: bytes)
    }

    @Test func `due backups of the others are looked after`() throws {
        let due = DueBackups(context: context, options: DueOptions())
        let entries = try due.run()
        #expect(entries.map(\.instance.description) == ["main", "another"])
        #expect(entries.map(\.error?.code) == [nil, .integrity])
        #expect(entries.map(\.outcome) == [.skipped, .failed])
        #expect(try due.run([fixture.name]).count == 1)
        #expect(throws: PgkeepError.self) { try due.run([try InstanceName(checking: "another")]) }
    }

    @Test func `the state of the others is shown`() throws {
        let report = try StatusReport.read(context)
        #expect(report.instances.map(\.name) == [fixture.name])
        #expect(report.error?.code == .integrity)
    }

    @Test func `due drills of the others are looked after`() throws {
        let due = DueDrills(context: context) { _, _ in
            throw PgkeepError(.unexpected, "nothing is due")
        }
        let entries = try due.run()
        #expect(entries.map(\.instance.description) == ["main", "another"])
        #expect(entries.map(\.outcome) == [.none, .failed])
    }

    @Test func `pruning does the others, and leaves alone what the record may protect`() throws {
        // Garbage of both: of one it goes, of the other nobody knows what it is.
        let lost = try [SyntheticInstance.system, other].map { system in
            let session = try BackupSession.begin(context.vault, system, clock: fixture.clock)
            try session.lease.end()
            return VaultNames.draft(system, session.id, 0)
        }
        for name in lost { try store.put(name, [1]) }
        fixture.advance(days: 2)
        let report = try PruneJob(context: context).run()
        #expect(report.instances.map(\.name) == ["main"])
        #expect(report.error?.code == .integrity && Array(report.failed.keys) == ["another"])
        #expect(try store.head(lost[0]) == nil)
        #expect(try store.head(lost[1]) != nil)
    }
}
