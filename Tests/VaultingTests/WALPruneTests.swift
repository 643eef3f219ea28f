import Domain
import Platform
import Storage
import TestSupport
import Testing
import Vaulting

@Suite struct WALPruneTests {
    private typealias Fixture = PruneFixture
    private let system = SyntheticBackup.system
    private let size = WALSegmentSize(bytes: 1 << 20)

    private func segment(_ number: UInt64, _ timeline: TimelineID = 1) throws -> WALSegment {
        WALSegment(timeline: timeline, number: number, size: try #require(size))
    }

    /// A point without files whose WAL lies in one segment.
    @discardableResult
    private func point(
        _ vault: Fixture,
        in number: UInt64,
        timeline: TimelineID = 1
    ) throws -> PointID {
        vault.clock.advance(seconds: 86400)
        let session = try BackupSession.begin(vault.vault, system, clock: vault.clock)
        let start = try segment(number, timeline).start
        var point = try SyntheticBackup.point(session.id)
        point.segmentSize = try #require(size)
        point.startLSN = start + 100
        point.stopLSN = start + 200
        point.timeline = timeline
        point.consistentAt = vault.clock.now
        let catalog = CatalogWriter()
        let path = Array("base".utf8)
        try catalog.add(
            CatalogEntry(path: path, mode: 0o700, modifiedSeconds: 0, kind: .directory)
        )
        return try session.commit(point, catalog: catalog).id
    }

    /// Bytes of a segment: all of them sealed, fewer as the journal of a session.
    private func store(
        _ vault: Fixture,
        _ segment: WALSegment,
        _ count: Int = 1 << 20,
        fill: UInt8 = 3,
        session: PointID? = nil
    ) throws {
        let journal = try WALJournalWriter(
            vault.vault,
            system,
            segment: segment,
            session: session ?? PointID(time: vault.clock.now, random: (1, segment.number)),
            clock: vault.clock
        )
        let bytes = [UInt8](repeating: fill, count: count)
        _ = try bytes.withUnsafeBytes { try journal.append($0) }
        try journal.flush()
        if count == 1 << 20 { _ = try journal.finish(WALSummary(start: segment.start)) }
    }

    private func held(_ vault: Fixture) throws -> [UInt64] {
        let archive = try WALArchive.load(
            vault.vault,
            system,
            segmentSize: try #require(size)
        )
        return archive.segments.filter { $0.timeline == 1 }.map(\.number)
    }

    @Test func `WAL before the oldest point goes, and nothing else`() throws {
        let vault = try Fixture()
        for number in UInt64(2)..<8 { try store(vault, segment(number)) }
        #expect(try !vault.prune { $0.segmentSize = size }.hasDropped, "no point, no horizon")
        let first = try point(vault, in: 4)
        try point(vault, in: 6)
        let outcome = try vault.prune()
        #expect(try held(vault) == [4, 5, 6, 7])
        #expect(outcome.wal.map { $0.reason } == [nil, .replay(first)])
        #expect(outcome.wal.map { $0.objects.count } == [2, 4])
        try vault.delete(first)
        try vault.prune()
        #expect(try held(vault) == [6, 7])
    }

    @Test func `with a window of days old points keep islands`() throws {
        let vault = try Fixture()
        for number in UInt64(2)..<10 { try store(vault, segment(number)) }
        let first = try point(vault, in: 3)
        let second = try point(vault, in: 5)
        let since = vault.clock.now.adding(seconds: 3600)
        let third = try point(vault, in: 8)
        let outcome = try vault.prune { $0.since = since }
        #expect(try held(vault) == [3, 5, 6, 7, 8, 9])
        #expect(
            outcome.wal.map(\.reason)
                == [nil, .consistency(first), nil, .replay(second)]
        )
        _ = try vault.prune { $0.since = vault.clock.now }
        #expect(try held(vault) == [3, 5, 8, 9])
        #expect(try vault.points() == [first, second, third])
    }

    @Test func `sessions at work keep the WAL they may need`() throws {
        let vault = try Fixture()
        for number in UInt64(2)..<6 { try store(vault, segment(number)) }
        try point(vault, in: 5)
        func lease(_ kind: LeaseRecord.Kind, parent: PointID?, floor: LSN?) throws -> Lease {
            try Lease.begin(
                vault.vault,
                system,
                kind: kind,
                parent: parent,
                walFloor: floor,
                clock: vault.clock,
                beatSeconds: nil
            )
        }
        // A backup that has not told where it starts may start anywhere.
        let backup = try lease(.backup, parent: nil, floor: nil)
        #expect(try !vault.prune().hasDropped)
        backup.setWALFloor(try segment(4).start + 7)
        try backup.beat()
        try vault.prune()
        #expect(try held(vault) == [4, 5])
        let check = try lease(.check, parent: nil, floor: nil)
        try backup.end()
        #expect(try !vault.prune().hasDropped)
        try check.end()
        try vault.prune()
        #expect(try held(vault) == [5])
    }

    @Test func `a backup that begins meanwhile stops the sweep`() throws {
        let vault = try Fixture()
        for number in UInt64(2)..<6 { try store(vault, segment(number)) }
        try point(vault, in: 5)
        let begun = Condition<Lease?>(nil)
        vault.store.setFaults { call in
            // After the leases were listed, another host begins.
            guard call.name.hasSuffix("/pack/"), begun.read({ $0 == nil }) else { return nil }
            let lease = try? Lease.begin(
                vault.vault,
                system,
                kind: .backup,
                clock: vault.clock,
                beatSeconds: nil
            )
            begun.change { $0 = lease }
            return nil
        }
        let outcome = try vault.prune()
        vault.store.setFaults(nil)
        #expect(try held(vault) == [2, 3, 4, 5] && outcome.warnings.count == 1)
        try begun.read { $0 }?.end()
        try vault.prune()
        #expect(try held(vault) == [5])
    }

    @Test func `journals go when others hold their bytes, alternates never`() throws {
        let vault = try Fixture()
        let whole = try segment(5)
        try store(vault, whole)
        try store(vault, whole, 4096)
        try store(vault, segment(3), 4096)
        let living = try Lease.begin(
            vault.vault,
            system,
            kind: .stream,
            clock: vault.clock,
            beatSeconds: nil
        )
        try store(vault, segment(6), 4096, session: living.session)
        try store(vault, whole, fill: 4)
        try store(vault, segment(2))
        try store(vault, segment(2), fill: 9)
        try point(vault, in: 5)
        vault.clock.advance(seconds: 200)
        try vault.prune()
        let names = vault.store.names.compactMap(WALObjectName.init)
        // Segment 2 is gone but for what contradicted it, as is the dead session's journal in 3.
        #expect(Set(names.map(\.segment)) == Set(try [2, 5, 6].map { try segment($0).name }))
        #expect(names.count == 4)
        #expect(names.count { if case .alternate = $0.form { true } else { false } } == 2)
        #expect(names.count { if case .journal = $0.form { true } else { false } } == 1)
    }

    @Test func `histories stay, dead branches go`() throws {
        let vault = try Fixture()
        for number in UInt64(2)..<6 { try store(vault, segment(number)) }
        for number in UInt64(4)..<7 { try store(vault, segment(number, 2)) }
        let archive = TimelineArchive(vault.vault, system)
        try archive.store(2, Array("1\t0/480000\tno recovery target specified\n".utf8))
        let old = try point(vault, in: 3)
        try point(vault, in: 5, timeline: 2)
        #expect(try vault.prune().wal.first?.objects.count == 1)
        #expect(try held(vault) == [3, 4, 5])
        try vault.delete(old)
        try vault.prune()
        #expect(try held(vault) == [] && archive.timelines() == [2])
    }
}
